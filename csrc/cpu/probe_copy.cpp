#include "arguments.hpp"
#include "shared/run.hpp"
#include "shared/uncached.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void probe_copy(In<T, 1> a, Out<T, 1> b) {
    constexpr int64_t task_size = 1 << 16;  // entries
    const int64_t n = a.shape[0];
    const int64_t whole = n / lanes<T> * lanes<T>;
    const bool aligned = reinterpret_cast<uintptr_t>(b.data) % register_bytes == 0;
    parallel_ranges(get_num_threads(), blocks_of(n, task_size), [&](int64_t begin, int64_t end, int) {
        const int64_t last = min(whole, end * task_size);
        int64_t j = begin * task_size;
        for (; aligned && j < last; j += lanes<T>) {
            store_uncached(b.data + j, load(a.data + j));
        }
        for (; j < min(n, end * task_size); ++j) {
            b.data[j] = a.data[j];
        }
        fence_uncached();
    });
}

template decltype(probe_copy<float>) probe_copy<float>;

}  // namespace fwdad::FWDAD_ISA
