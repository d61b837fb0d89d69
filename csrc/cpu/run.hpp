// How a kernel uses threads and memory: a parallel loop with static ownership, and a buffer that frees itself.
#pragma once

#include <stdint.h>

#include "simd.hpp"
#include "threads.hpp"

namespace fwdad::FWDAD_ISA {

FWDAD_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FWDAD_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
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
    const int64_t useful = 1 + static_cast<int64_t>(least(1 << 20, static_cast<int64_t>(work / worth_waking)));
    return static_cast<int>(most(1, least(get_num_threads(), least(tasks, useful))));
}

// Call f(begin, end, t) on each thread t, for consecutive ranges of [0, tasks).
template <class F>
static void parallel_ranges(int threads, int64_t tasks, const F& f) {
    struct Context {
        const F& f;
        int64_t tasks;
    } context{f, tasks};
    parallel(
        threads,
        [](void* c, int t, int count) {
            const Context& own = *static_cast<const Context*>(c);
            own.f(own.tasks * t / count, own.tasks * (t + 1) / count, t);
        },
        &context);
}

}  // namespace fwdad::FWDAD_ISA
