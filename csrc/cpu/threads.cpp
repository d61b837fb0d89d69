#include "threads.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace fwdad {
namespace {

std::atomic<int> num_threads{1};

// OpenMP's pool does not survive a fork: in the child, its threads are gone and it would wait for them for ever.
std::atomic<bool> pool_lost{false};

[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { pool_lost = true; });

void parallel_by_new_threads(int threads, void (*body)(void*, int, int), void* context) {
    std::vector<std::thread> others;
    others.reserve(static_cast<size_t>(threads - 1));
    for (int t = 1; t < threads; ++t) {
        others.emplace_back(body, context, t, threads);
    }
    body(context, 0, threads);
    for (std::thread& other : others) {
        other.join();
    }
}

}  // namespace

void set_num_threads(int n) { num_threads = n; }

int get_num_threads() { return num_threads; }

bool have_openmp() {
#ifdef _OPENMP
    return true;
#else
    return false;
#endif
}

void parallel(int threads, void (*body)(void*, int, int), void* context) {
    if (threads == 1) {
        body(context, 0, 1);
        return;
    }
#ifdef _OPENMP
    if (!pool_lost) {
        // A kernel's work is split by the number asked for, so each part must run even where OpenMP gives fewer
        // threads.
#pragma omp parallel num_threads(threads)
        for (int t = omp_get_thread_num(); t < threads; t += omp_get_num_threads()) {
            body(context, t, threads);
        }
        return;
    }
#endif
    parallel_by_new_threads(threads, body, context);
}

void* allocate_scratch(size_t bytes) {
    const size_t line = 64;
    void* memory = std::aligned_alloc(line, (bytes + line) / line * line);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

void free_scratch(void* memory) { std::free(memory); }

}  // namespace fwdad
