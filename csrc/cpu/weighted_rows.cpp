#include "arguments.hpp"
#include "shared/dot.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void weighted_rows(In<T, 2> w, In<T, 3> dx, Out<T, 2> out) {
    const int64_t k = dx.shape[0];
    const int64_t rows = w.shape[0];
    const int64_t n = w.shape[1];
    const double work = static_cast<double>(k * rows) * static_cast<double>(n + 8) / 8;
    parallel_ranges(threads_for(rows, work), rows, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t r = begin; r < end; ++r) {
                out.data[i * rows + r] = dot(n, w.data + r * n, dx.data + (i * rows + r) * n);
            }
        }
    });
}

template decltype(weighted_rows<float>) weighted_rows<float>;
template decltype(weighted_rows<double>) weighted_rows<double>;

}  // namespace fwdad::FWDAD_ISA
