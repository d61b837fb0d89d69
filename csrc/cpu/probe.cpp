#include "probe.hpp"

#include "run.hpp"
#include "simd.hpp"
#include "stream_store.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int chains =
    12;  // independent sums: more than a multiply-add's latency times the units, and they fit 16 registers
constexpr int64_t piece = 1 << 16;  // entries of a memory probe's task

}  // namespace

int64_t probe_fma(int64_t tasks, int64_t rounds, float* sink) {
    parallel_ranges(static_cast<int>(least(tasks, get_num_threads())), tasks, [&](int64_t begin, int64_t end, int) {
        for (int64_t task = begin; task < end; ++task) {
            const Float a = splat(sink[task]);
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
            sink[task] = sum_of_lanes<float>(total);
        }
    });
    return tasks * rounds * chains * lanes<float> * 2;
}

void probe_read(const float* a, int64_t n, float* sink) {
    const int64_t tasks = blocks_of(n, piece);
    const Buffer<float> sums(tasks);
    parallel_ranges(get_num_threads(), tasks, [&](int64_t begin, int64_t end, int) {
        for (int64_t task = begin; task < end; ++task) {
            constexpr int step = 8 * lanes<float>;
            const int64_t last = least(n, (task + 1) * piece);
            Float parts[8] = {};
            for (int64_t j = task * piece; j + step <= last; j += step) {
#pragma GCC unroll 8
                for (int p = 0; p < 8; ++p) {
                    parts[p] += load(a + j + p * lanes<float>);
                }
            }
            Float total{};
            for (const Float& part : parts) {
                total += part;
            }
            sums.get()[task] = sum_of_lanes<float>(total);
        }
    });
    *sink = 0;
    for (int64_t task = 0; task < tasks; ++task) {
        *sink += sums.get()[task];
    }
}

void probe_copy(const float* a, int64_t n, float* b) {
    parallel_ranges(get_num_threads(), blocks_of(n, piece), [&](int64_t begin, int64_t end, int) {
        const int64_t last = least(n, end * piece);
        for (int64_t j = begin * piece; j + lanes<float> <= last; j += lanes<float>) {
            store_past(b + j, load(a + j));
        }
        fence_past();
    });
}

}  // namespace fwdad::FWDAD_ISA
