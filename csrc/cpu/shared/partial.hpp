// Registers of which the first or last entries alone count.
#pragma once

#include <string.h>

#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// The first `count` entries of a register, count < lanes<T>; the others are 0.
template <class T>
FWDAD_INLINE Vector<T> load_part(const T* p, int64_t count) {
    T entries[lanes<T>] = {};
    memcpy(entries, p, static_cast<size_t>(count) * sizeof(T));
    return load(entries);
}

template <class T>
FWDAD_INLINE void store_part(T* p, Vector<T> v, int64_t count) {
    T entries[lanes<T>];
    store(entries, v);
    memcpy(p, entries, static_cast<size_t>(count) * sizeof(T));
}

// The last `count` entries of n, in the last lanes or the first; the others are 0.
template <class T>
FWDAD_INLINE Vector<T> load_last(const T* p, int64_t count, int64_t n) {
    if (n < lanes<T>) {
        return load_part(p, count);
    }
    const Vector<T> all = load(p + count - lanes<T>);
    decltype(all < all) lane = {};
#pragma GCC unroll 16
    for (int l = 0; l < lanes<T>; ++l) {
        lane[l] = l;
    }
    return lane >= lanes<T> - static_cast<int>(count) ? all : Vector<T>{};
}

}  // namespace fwdad::FWDAD_ISA
