#include "shared/activate.hpp"
#include "shared/elementwise.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void activation_jvp(Activation activation, In<T, 1> x, In<T, 2> dx, Out<T, 1> y, Out<T, 2> dy) {
    const int64_t k = dx.shape[0];
    const int64_t n = x.shape[0];
    const bool uncached = exceeds_caches<T>(k, n);
    const double work = static_cast<double>(n) * static_cast<double>(k + 8) / 4;
    for_tiles(n, work, [&](int64_t first, int64_t count) {
        alignas(register_bytes) T slope[largest_tile];
        activate(activation, count, x.data + first, y.data + first, slope);
        for (int64_t i = 0; i < k; ++i) {
            const int64_t at = i * n + first;
            write(uncached, count, dy.data + at,
                  [&](const auto& load_at) { return load_at(slope) * load_at(dx.data + at); });
        }
    });
}

template decltype(activation_jvp<float>) activation_jvp<float>;
template decltype(activation_jvp<double>) activation_jvp<double>;

}  // namespace fwdad::FWDAD_ISA
