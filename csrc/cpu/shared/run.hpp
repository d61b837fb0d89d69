// How a kernel uses threads and memory: a parallel loop, and a buffer that frees itself.
#pragma once

#include <stdint.h>

#include "runtime/threads.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

FWDAD_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
FWDAD_INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
FWDAD_INLINE int64_t blocks_of(int64_t n, int64_t size) { return (n + size - 1) / size; }
FWDAD_INLINE int64_t round_up(int64_t n, int64_t size) { return blocks_of(n, size) * size; }

// Scratch memory for n entries.
template <class T>
class Buffer {
 public:
    explicit Buffer(int64_t n) : data_(static_cast<T*>(allocate_scratch(static_cast<size_t>(n) * sizeof(T)))) {}
    ~Buffer() { free_scratch(data_); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    T* get() const { return data_; }

 private:
    T* data_;
};

// How many threads `tasks` independent tasks of `work` operations in all deserve. What a task computes must not depend
// on this number.
FWDAD_INLINE int threads_for(int64_t tasks, double work) {
    const double worth_waking = 30000;  // operations that take about as long as starting a parallel region
    const int64_t useful = 1 + static_cast<int64_t>(min(1 << 20, static_cast<int64_t>(work / worth_waking)));
    return static_cast<int>(max(1, min(get_num_threads(), min(tasks, useful))));
}

// Call f(begin, end, t) for consecutive ranges that make up [0, tasks), each on some thread t < threads. Ranges begin
// at multiples of `grain`, where tasks share work with their neighbours. There are several a thread: a thread that is
// held up leaves its share to the others.
template <class F>
static void parallel_ranges(int threads, int64_t tasks, const F& f, int64_t grain = 1) {
    struct Context {
        const F& f;
        int64_t tasks, grain, grains, chunks;
    };
    const int64_t grains = blocks_of(tasks, grain);
    const int64_t chunks = min(grains, threads == 1 ? 1 : 4 * threads);
    Context context{f, tasks, grain, grains, chunks};
    parallel(
        threads, chunks,
        [](void* c, int64_t chunk, int t) {
            const Context& own = *static_cast<const Context*>(c);
            own.f(own.grains * chunk / own.chunks * own.grain,
                  min(own.tasks, own.grains * (chunk + 1) / own.chunks * own.grain), t);
        },
        &context);
}

}  // namespace fwdad::FWDAD_ISA
