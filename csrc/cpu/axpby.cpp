#include "arguments.hpp"
#include "shared/elementwise.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void axpby(T a, In<T, 1> x, T b, In<T, 1> y, Out<T, 1> out) {
    const int64_t n = x.shape[0];
    const bool uncached = exceeds_caches<T>(1, n);
    for_tiles(n, static_cast<double>(n) / 2, [&](int64_t first, int64_t count) {
        write(uncached, count, out.data + first, [&](const auto& load_at) {
            return splat(a) * load_at(x.data + first) + splat(b) * load_at(y.data + first);
        });
    });
}

template decltype(axpby<float>) axpby<float>;
template decltype(axpby<double>) axpby<double>;

}  // namespace fwdad::FWDAD_ISA
