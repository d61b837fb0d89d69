#include "arguments.hpp"
#include "shared/run.hpp"
#include "shared/simd.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void probe_read(In<T, 1> a, Out<T, 1> sink) {
    constexpr int64_t part_size = 1 << 16;  // entries of a task
    const int64_t n = a.shape[0];
    const int64_t tasks = blocks_of(n, part_size);
    const Buffer<float> sums(tasks);
    parallel_ranges(get_num_threads(), tasks, [&](int64_t begin, int64_t end, int) {
        for (int64_t task = begin; task < end; ++task) {
            constexpr int step = 8 * lanes<float>;
            const int64_t last = min(n, (task + 1) * part_size);
            Float parts[8] = {};
            for (int64_t j = task * part_size; j + step <= last; j += step) {
#pragma GCC unroll 8
                for (int p = 0; p < 8; ++p) {
                    parts[p] += load(a.data + j + p * lanes<float>);
                }
            }
            Float total{};
            for (const Float& part : parts) {
                total += part;
            }
            sums.get()[task] = sum_of_lanes<float>(total);
        }
    });
    *sink.data = 0;
    for (int64_t task = 0; task < tasks; ++task) {
        *sink.data += sums.get()[task];
    }
}

template decltype(probe_read<float>) probe_read<float>;

}  // namespace fwdad::FWDAD_ISA
