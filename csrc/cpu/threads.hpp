// Threads and scratch memory: the two things that kernels ask of the system.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace fwdad {

void set_num_threads(int n);
int get_num_threads();
bool have_openmp();

// Run body(context, t, threads) for t = 0 .. threads - 1, each on a thread of its own, and wait for all.
void parallel(int threads, void (*body)(void* context, int t, int threads), void* context);

// Memory aligned to a cache line; throws std::bad_alloc. To be called outside of parallel only.
void* allocate_scratch(size_t bytes);
void free_scratch(void* memory);

}  // namespace fwdad
