// A register of units of one example goes through all steps before the next: membrane, spike and tangents stay in
// registers. A tangent of ones gives the derivatives of all units, for no unit sees another.
#include <initializer_list>
#include <stdexcept>

#include "arguments.hpp"
#include "shared/partial.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int64_t most_steps = 1 << 24;

template <bool Squared, class V, class T>
FWDAD_INLINE V slope_of(V u, T sharpness) {
    const V v = sharpness * u;
    if constexpr (Squared) {
        return 1 / (1 + v * v);
    } else {
        const V a = 1 + (v < 0 ? -v : v);
        return 1 / (a * a);
    }
}

template <class T>
struct Neurons {
    In<T, 3> current;
    In<T, 1> beta, theta;
    In<T, 2> bias;
    int64_t steps;
    T sharpness;
    Out<T, 2> counts, by_current, by_beta, by_theta;
    Out<T, 3> train, slopes;

    // The units j .. j + width - 1 of a row; Whole: a register full.
    template <bool Tangents, bool Squared, bool Whole>
    void run(int64_t row, int64_t j, int64_t width) const {
        const int64_t n = current.shape[2];
        const auto read = [&](const T* p) { return Whole ? load(p) : load_part(p, width); };
        const auto write = [&](T* p, Vector<T> v) { Whole ? store(p, v) : store_part(p, v, width); };
        const auto keep = [&](const Out<T, 2>& to, Vector<T> v) {
            if (to.data != nullptr) {
                write(to.data + row * n + j, v);
            }
        };
        const bool still = current.shape[1] == 1;
        const T* const from = current.data + row * current.shape[1] * n + j;
        const Vector<T> leak = read(beta.data + j);
        const Vector<T> threshold = read(theta.data + j);
        Vector<T> added{};
        if (bias.data != nullptr) {
            added = read(bias.data + (bias.shape[0] < 0 ? 0 : row * n) + j);
        }
        Vector<T> flow = still ? read(from) + added : added;
        Vector<T> u{}, spike{}, count{}, e{}, p{}, q{}, of_current{}, of_theta{}, of_beta{};
        for (int64_t s = 0; s < steps; ++s) {
            if (!still) {
                flow = read(from + s * n) + added;
            }
            if constexpr (Tangents) {
                e = fma(leak, e, splat(T(1)));
                p = leak * p - spike;
                q = fma(leak, q, u);
            }
            u = fma(leak, u, flow) - threshold * spike;
            const Vector<T> above = u - threshold;
            spike = above > 0 ? splat(T(1)) : Vector<T>{};
            count += spike;
            if (train.data != nullptr) {
                write(train.data + (row * steps + s) * n + j, spike);
            }
            if constexpr (Tangents) {
                const Vector<T> slope = slope_of<Squared>(above, sharpness);
                of_current = fma(slope, e, of_current);
                of_theta = fma(slope, p - 1, of_theta);
                of_beta = fma(slope, q, of_beta);
                if (slopes.data != nullptr) {
                    write(slopes.data + (row * steps + s) * n + j, slope);
                }
            }
        }
        keep(counts, count);
        keep(by_current, of_current);
        keep(by_beta, of_beta);
        keep(by_theta, of_theta);
    }

    template <bool Tangents, bool Squared>
    void run_rows(int64_t begin, int64_t end) const {
        const int64_t n = current.shape[2];
        for (int64_t row = begin; row < end; ++row) {
            int64_t j = 0;
            for (; j + lanes<T> <= n; j += lanes<T>) {
                run<Tangents, Squared, true>(row, j, lanes<T>);
            }
            if (j < n) {
                run<Tangents, Squared, false>(row, j, n - j);
            }
        }
    }
};

}  // namespace

template <class T>
void lif_jvp(In<T, 3> current, In<T, 1> beta, In<T, 1> theta, In<T, 2> bias, int64_t steps, T sharpness, bool squared,
             Out<T, 2> counts, Out<T, 2> by_current, Out<T, 2> by_beta, Out<T, 2> by_theta, Out<T, 3> train,
             Out<T, 3> slopes) {
    const bool fits = current.shape[1] == 1 || current.shape[1] == steps;
    for (const auto& series : {train, slopes}) {
        if (series.data != nullptr && series.shape[1] != steps) {
            throw std::invalid_argument("lif_jvp: train and slopes need as many steps as there are");
        }
    }
    if (!fits || steps < 0 || steps > most_steps) {
        throw std::invalid_argument("lif_jvp: steps: expected those of the current, and at most 2^24");
    }
    const Neurons<T> neurons{current, beta,       theta,   bias,     steps, sharpness,
                             counts,  by_current, by_beta, by_theta, train, slopes};
    const int64_t rows = current.shape[0];
    const bool tangents =
        by_current.data != nullptr || by_beta.data != nullptr || by_theta.data != nullptr || slopes.data != nullptr;
    const double work = static_cast<double>(rows * current.shape[2]) * static_cast<double>(steps) * 2;
    parallel_ranges(threads_for(rows, work), rows, [&](int64_t begin, int64_t end, int) {
        if (!tangents) {
            neurons.template run_rows<false, false>(begin, end);
        } else if (squared) {
            neurons.template run_rows<true, true>(begin, end);
        } else {
            neurons.template run_rows<true, false>(begin, end);
        }
    });
}

template decltype(lif_jvp<float>) lif_jvp<float>;
template decltype(lif_jvp<double>) lif_jvp<double>;

}  // namespace fwdad::FWDAD_ISA
