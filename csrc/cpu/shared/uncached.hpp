// Stores past the caches: a line that is written whole is not read first, and evicts nothing. Worth it only for results
// that are larger than the caches; whoever reads them soon fetches them from memory.
#pragma once

#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// p is aligned to register_bytes. Lines must be filled whole and in order: scattered streaming stores cost ten times
// as much as plain ones.
template <class T>
FWDAD_INLINE void store_uncached(T* p, Vector<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), reinterpret_cast<__m512i>(v));
#elif defined(__AVX__)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), reinterpret_cast<__m128i>(v));
#else
    store(p, v);
#endif
}

// To be called by each thread after its last store_uncached: makes them visible to other threads.
FWDAD_INLINE void fence_uncached() {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

}  // namespace fwdad::FWDAD_ISA
