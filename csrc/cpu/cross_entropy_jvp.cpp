#include <math.h>

#include "arguments.hpp"
#include "shared/arithmetic.hpp"
#include "shared/dot.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// The largest of z[j], j < n, n > 0.
template <class T>
T largest(int64_t n, const T* z) {
    constexpr int width = lanes<T>;
    Vector<T> tops = splat(z[0]);
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        const Vector<T> some = load(z + j);
        tops = some > tops ? some : tops;
    }
    T top = z[0];
    for (int lane = 0; lane < width; ++lane) {
        top = tops[lane] > top ? tops[lane] : top;
    }
    for (; j < n; ++j) {
        top = z[j] > top ? z[j] : top;
    }
    return top;
}

// p[j] = exp(z[j] - top), j < n; returns their sum. z - top is never positive; NaN stays.
double exponentials(int64_t n, const double* z, double top, double* p) {
    double total = 0;
    for (int64_t j = 0; j < n; ++j) {
        p[j] = exp(z[j] - top);
        total += p[j];
    }
    return total;
}

double exponentials(int64_t n, const float* z, float top, float* p) {
    constexpr int width = lanes<float>;
    Double sums[2] = {};
    const auto add = [&](const float* entries) {
        sums[0] += load_double(entries);
        sums[1] += load_double(entries + width / 2);
    };
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        store(p + j, exp_of_negative(load(z + j) - splat(top)));
        add(p + j);
    }
    if (j < n) {
        float rest[width];
        store(rest, exp_of_negative(load_part(z + j, n - j) - splat(top)));
        memset(rest + n - j, 0, static_cast<size_t>(width - (n - j)) * sizeof(float));
        memcpy(p + j, rest, static_cast<size_t>(n - j) * sizeof(float));
        add(rest);
    }
    return sum_of_lanes<double>(sums[0] + sums[1]);
}

// The loss of a row, and p[j] = softmax(z)[j] - (j == label), with which its tangents' entries are multiplied.
template <class T>
T loss_of_row(int64_t n, const T* z, int64_t label, T* p) {
    if (label < 0 || label >= n) {
        for (int64_t j = 0; j < n; ++j) {
            p[j] = static_cast<T>(NAN);
        }
        return static_cast<T>(NAN);
    }
    const T top = largest(n, z);
    const double total = exponentials(n, z, top, p);
    const T inverse = static_cast<T>(1 / total);
    for (int64_t j = 0; j < n; ++j) {
        p[j] *= inverse;
    }
    p[label] -= 1;  // exact to half a unit of 1, as all of dloss is
    return static_cast<T>(log(total) + static_cast<double>(top - z[label]));
}

}  // namespace

template <class T>
void cross_entropy_jvp(In<T, 2> z, In<int64_t, 1> labels, In<T, 3> dz, Out<T, 1> loss, Out<T, 2> dloss) {
    const int64_t k = dz.shape[0];
    const int64_t rows = z.shape[0];
    const int64_t n = z.shape[1];
    // Of all rows, so that each tangent is read from one end to the other.
    const Buffer<T> weights(rows * n);
    const double work = static_cast<double>(rows * n) * static_cast<double>(k + 16) / 8;
    parallel_ranges(threads_for(rows, work), rows, [&](int64_t begin, int64_t end, int) {
        for (int64_t r = begin; r < end; ++r) {
            loss.data[r] = loss_of_row(n, z.data + r * n, labels.data[r], weights.get() + r * n);
        }
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t r = begin; r < end; ++r) {
                dloss.data[i * rows + r] = dot(n, weights.get() + r * n, dz.data + (i * rows + r) * n);
            }
        }
    });
}

template decltype(cross_entropy_jvp<float>) cross_entropy_jvp<float>;
template decltype(cross_entropy_jvp<double>) cross_entropy_jvp<double>;

}  // namespace fwdad::FWDAD_ISA
