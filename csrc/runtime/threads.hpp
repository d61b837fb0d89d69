// Threads, scratch memory and the caches' size: what kernels ask of the system.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace fwdad {

// The number of threads that kernels use: what was set, else $FWDAD_NUM_THREADS, else the cores this process may run
// on. Both throw std::invalid_argument for what is no number from 1 to max_threads.
int get_num_threads();
void set_num_threads(int n);

const int max_threads = 1024;
const int64_t max_chunks = 1 << 20;

// Run body(context, chunk, t) once for each chunk in 0 .. chunks - 1, and wait for all. t < threads names the thread,
// to which it belongs alone during the call; which thread gets which chunk is a matter of chance.
void parallel(int threads, int64_t chunks, void (*body)(void* context, int64_t chunk, int t), void* context);

// Bytes of the cache that all cores share, or of the largest that there is; a guess where the system does not tell.
int64_t last_level_cache();

// Memory aligned to a cache line; throws std::bad_alloc. To be called outside of parallel only.
void* allocate_scratch(size_t bytes);
void free_scratch(void* memory) noexcept;

}  // namespace fwdad
