// The factors are read once for several tangents, each of which is read and written once.
#include "arguments.hpp"
#include "shared/arithmetic.hpp"

namespace fwdad::cuda {
namespace {

constexpr int64_t enough_blocks = 1024;  // for any device
constexpr int64_t most_together = 16;    // tangents that share one reading of the factors

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

template <class T, bool Two>
void scale(const Launch& at, const In<T, 2>& dx, const T* a, const T* b, const T* dy, T* out) {
    const int64_t k = dx.shape[0];
    const int64_t n = dx.shape[1];
    Scale<T, Two> kernel{k, n, 0, 0, a, dx.data, b, dy, out, false};
    kernel.tiles = blocks_of(n, 4 * kernel.threads);
    const int64_t by_blocks = blocks_of(k * kernel.tiles, enough_blocks);
    kernel.together = by_blocks < 1 ? 1 : (by_blocks < most_together ? by_blocks : most_together);
    kernel.packed =
        aligned(a) && aligned(dx.data) && aligned(b) && aligned(dy) && aligned(out) && n % pack_size<T> == 0;
    launch(at, kernel, kernel.tiles * blocks_of(k, kernel.together));
}

}  // namespace

template <class T>
void scaled_tangents(const Launch& at, In<T, 1> a, In<T, 2> dx, In<T, 1> b, In<T, 2> dy, Out<T, 2> out) {
    (b.data == nullptr || dy.data == nullptr ? scale<T, false> : scale<T, true>)(at, dx, a.data, b.data, dy.data,
                                                                                 out.data);
}

template decltype(scaled_tangents<float>) scaled_tangents<float>;
template decltype(scaled_tangents<double>) scaled_tangents<double>;

}  // namespace fwdad::cuda
