#include "arguments.hpp"
#include "shared/elementwise.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void scaled_tangents(In<T, 1> a, In<T, 2> dx, In<T, 1> b, In<T, 2> dy, Out<T, 2> out) {
    const int64_t k = dx.shape[0];
    const int64_t n = a.shape[0];
    const bool uncached = exceeds_caches<T>(k, n);
    const double work = static_cast<double>(n) * static_cast<double>(k) / 4;
    for_tiles(n, work, [&](int64_t first, int64_t count) {
        for (int64_t i = 0; i < k; ++i) {
            const int64_t at = i * n + first;
            if (b.data == nullptr || dy.data == nullptr) {
                write(uncached, count, out.data + at,
                      [&](const auto& load_at) { return load_at(a.data + first) * load_at(dx.data + at); });
            } else {
                write(uncached, count, out.data + at, [&](const auto& load_at) {
                    return fma(load_at(a.data + first), load_at(dx.data + at),
                               load_at(b.data + first) * load_at(dy.data + at));
                });
            }
        }
    });
}

template decltype(scaled_tangents<float>) scaled_tangents<float>;
template decltype(scaled_tangents<double>) scaled_tangents<double>;

}  // namespace fwdad::FWDAD_ISA
