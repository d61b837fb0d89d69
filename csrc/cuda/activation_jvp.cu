// Elementwise JVPs and their reductions: a derivative is computed once, into memory, and meets k tangents, each of
// which is read and written once. Reductions give each row of each tangent a warp.
#include "activation.hpp"

namespace fwdad::cuda {
namespace {

constexpr int64_t enough_blocks = 1024;  // for any device
constexpr int64_t most_together = 16;    // tangents that share one reading of the factors

// y = act(x), slope = act'(x); y may be x.
template <class T>
struct Activate {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    Activation activation;
    int64_t entries;
    const T* x;
    T* y;
    T* slope;  // or null
    bool packed;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t first = (block.index() * threads + block.thread()) * 4;
        if (first >= entries) {
            return;
        }
        T values[4], slopes[4];
        load_four(x + first, entries - first, packed, values);
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            const Both<T> both = activate(activation, values[r]);
            values[r] = both.value;
            slopes[r] = both.slope;
        }
        store_four(y + first, entries - first, packed, values);
        if (slope != nullptr) {
            store_four(slope + first, entries - first, packed, slopes);
        }
    }
};

// Four entries a thread, for `together` tangents.
template <class T, bool Two>
struct Scale {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    int64_t k, n;
    int64_t tiles;     // of 4 * threads entries, in n
    int64_t together;  // tangents of a block
    const T* a;        // (n)
    const T* dx;       // (k, n)
    const T* b;        // (n)
    const T* dy;       // (k, n)
    T* out;            // (k, n)
    bool packed;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const Division at = divide(block.index(), tiles);
        const int64_t first = (at.rest * threads + block.thread()) * 4;
        const int64_t left = n - first;
        if (left <= 0) {
            return;
        }
        const int64_t begin = at.quotient * together;
        const int64_t end = begin + together < k ? begin + together : k;
        T factors[4], others[4];
        load_four(a + first, left, packed, factors);
        if constexpr (Two) {
            load_four(b + first, left, packed, others);
        }
        for (int64_t i = begin; i < end; ++i) {
            T values[4], terms[4];
            load_four(dx + i * n + first, left, packed, values);
            if constexpr (Two) {
                load_four(dy + i * n + first, left, packed, terms);
            }
            FWDAD_UNROLL
            for (int r = 0; r < 4; ++r) {
                if constexpr (Two) {
                    values[r] = multiply_add(factors[r], values[r], others[r] * terms[r]);
                } else {
                    values[r] *= factors[r];
                }
            }
            store_four(out + i * n + first, left, packed, values);
        }
    }
};

// The sum over a warp, the same in every lane.
template <class T>
FWDAD_DEVICE T sum_of_warp(const Block& block, T value) {
    for (int mask = warp / 2; mask > 0; mask /= 2) {
        value += block.shuffle_xor(value, mask);
    }
    return value;
}

// A row of one tangent is a warp's: its lanes read neighbours.
template <class T>
struct WeightedRows {
    static constexpr int threads = 256;
    static constexpr int resident = 6;
    struct Shared {};

    int64_t k, rows, n;
    const T* w;   // (rows, n)
    const T* dx;  // (k, rows, n)
    T* out;       // (k, rows)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t task = block.index() * (threads / warp) + block.thread() / warp;
        if (task >= k * rows) {
            return;
        }
        const int64_t row = divide(task, rows).rest;
        T sum = 0;
        for (int64_t j = block.thread() % warp; j < n; j += warp) {
            sum = multiply_add(w[row * n + j], dx[task * n + j], sum);
        }
        sum = sum_of_warp(block, sum);
        if (block.thread() % warp == 0) {
            out[task] = sum;
        }
    }
};

// A row is a warp's: its loss, and the weights softmax(z) - e_label that its tangents' entries meet.
template <class T>
struct CrossEntropy {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    int64_t rows, n;
    const T* z;             // (rows, n)
    const int64_t* labels;  // (rows)
    T* loss;                // (rows)
    T* weights;             // (rows, n)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t row = block.index() * (threads / warp) + block.thread() / warp;
        if (row >= rows) {
            return;
        }
        const int lane = block.thread() % warp;
        const T* logits = z + row * n;
        T* weight = weights + row * n;
        const int64_t label = labels[row];
        T top = -INFINITY;
        for (int64_t j = lane; j < n; j += warp) {
            top = logits[j] > top ? logits[j] : top;
        }
        for (int mask = warp / 2; mask > 0; mask /= 2) {
            const T other = block.shuffle_xor(top, mask);
            top = other > top ? other : top;
        }
        double total = 0;
        for (int64_t j = lane; j < n; j += warp) {
            const T power = exp_of_difference(logits[j], top);
            weight[j] = power;
            total += static_cast<double>(power);
        }
        total = sum_of_warp(block, total);
        const bool known = label >= 0 && label < n;
        const T inverse = known ? static_cast<T>(1 / total) : static_cast<T>(NAN);
        for (int64_t j = lane; j < n; j += warp) {  // the entries that this lane wrote
            weight[j] = weight[j] * inverse - (j == label ? T(1) : T(0));
        }
        if (lane == 0) {
            loss[row] =
                known ? static_cast<T>(log(total) + static_cast<double>(top - logits[label])) : static_cast<T>(NAN);
        }
    }

 private:
    FWDAD_DEVICE static float exp_of_difference(float z, float top) { return exp_of_negative(z - top); }
    FWDAD_DEVICE static double exp_of_difference(double z, double top) { return exp(z - top); }
};

template <class T, bool Two>
void scale(const Launch& at, int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out) {
    Scale<T, Two> kernel{k, n, 0, 0, a, dx, b, dy, out, false};
    kernel.tiles = blocks_of(n, 4 * kernel.threads);
    const int64_t by_blocks = blocks_of(k * kernel.tiles, enough_blocks);
    kernel.together = by_blocks < 1 ? 1 : (by_blocks < most_together ? by_blocks : most_together);
    kernel.packed = aligned(a) && aligned(dx) && aligned(b) && aligned(dy) && aligned(out) && n % pack_size<T> == 0;
    launch(at, kernel, kernel.tiles * blocks_of(k, kernel.together));
}

}  // namespace

template <class T>
void activate(const Launch& at, Activation activation, int64_t n, const T* x, T* y, T* slope) {
    const Activate<T> kernel{activation, n, x, y, slope, aligned(x) && aligned(y) && aligned(slope)};
    launch(at, kernel, blocks_of(blocks_of(n, 4), kernel.threads));
}

template <class T>
void activation_jvp(const Launch& at, Activation activation, int64_t k, int64_t n, const T* x, const T* dx, T* y,
                    T* dy) {
    T* slope = static_cast<T*>(at.scratch(n * static_cast<int64_t>(sizeof(T))));
    activate(at, activation, n, x, y, slope);
    scaled_tangents<T>(at, k, n, slope, dx, nullptr, nullptr, dy);
}

template <class T>
void scaled_tangents(const Launch& at, int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out) {
    (b == nullptr ? scale<T, false> : scale<T, true>)(at, k, n, a, dx, b, dy, out);
}

template <class T>
void weighted_rows(const Launch& at, int64_t k, int64_t rows, int64_t n, const T* w, const T* dx, T* out) {
    const WeightedRows<T> kernel{k, rows, n, w, dx, out};
    launch(at, kernel, blocks_of(k * rows, kernel.threads / warp));
}

template <class T>
void cross_entropy_jvp(const Launch& at, int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels,
                       const T* dz, T* loss, T* dloss) {
    T* weights = static_cast<T*>(at.scratch(rows * n * static_cast<int64_t>(sizeof(T))));
    const CrossEntropy<T> kernel{rows, n, z, labels, loss, weights};
    launch(at, kernel, blocks_of(rows, kernel.threads / warp));
    weighted_rows<T>(at, k, rows, n, weights, dz, dloss);
}

#define FWDAD_INSTANTIATE(T)                                                                                          \
    template void activate(const Launch&, Activation, int64_t, const T*, T*, T*);                                     \
    template void activation_jvp(const Launch&, Activation, int64_t, int64_t, const T*, const T*, T*, T*);            \
    template void scaled_tangents(const Launch&, int64_t, int64_t, const T*, const T*, const T*, const T*, T*);       \
    template void weighted_rows(const Launch&, int64_t, int64_t, int64_t, const T*, const T*, T*);                    \
    template void cross_entropy_jvp(const Launch&, int64_t, int64_t, int64_t, const T*, const int64_t*, const T*, T*, \
                                    T*);
FWDAD_INSTANTIATE(float)
FWDAD_INSTANTIATE(double)

}  // namespace fwdad::cuda
