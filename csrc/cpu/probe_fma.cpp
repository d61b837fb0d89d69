#include "arguments.hpp"
#include "shared/run.hpp"
#include "shared/simd.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int chains =
    12;  // independent sums: more than a multiply-add's latency times the units; 16 registers hold them

}  // namespace

template <class T>
void probe_fma(int64_t rounds, Out<T, 1> sink, Out<int64_t, 1> operations) {
    const int64_t tasks = sink.shape[0];
    parallel_ranges(static_cast<int>(min(tasks, get_num_threads())), tasks, [&](int64_t begin, int64_t end, int) {
        for (int64_t task = begin; task < end; ++task) {
            const Float a = splat(sink.data[task]);
            Float sums[chains];
            for (int c = 0; c < chains; ++c) {
                sums[c] = a * static_cast<float>(c);  // all different, or the compiler would make one of them
            }
            for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
                for (int c = 0; c < chains; ++c) {
                    sums[c] = fma(sums[c], a, a);
                }
            }
            Float total{};
            for (int c = 0; c < chains; ++c) {
                total += sums[c];
            }
            sink.data[task] = sum_of_lanes<float>(total);
        }
    });
    *operations.data = tasks * rounds * chains * lanes<float> * 2;
}

template decltype(probe_fma<float>) probe_fma<float>;

}  // namespace fwdad::FWDAD_ISA
