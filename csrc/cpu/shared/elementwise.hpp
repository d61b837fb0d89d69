// What elementwise kernels share: they are bound by memory, so each derivative is computed once, for a tile that stays
// in the cache while it meets the k tangents. Each entry sees the same operations wherever it lies and whichever thread
// computes it: what is left at the end of a tile goes through a register too.
#pragma once

#include "partial.hpp"
#include "run.hpp"
#include "uncached.hpp"

namespace fwdad::FWDAD_ISA {

// Entries of a tile: so many that each tangent is read in stretches of several pages, since between stretches memory
// waits; so few that the derivative stays in the second-level cache, and that small arrays are shared out to all
// threads.
constexpr int64_t largest_tile = 16384;

FWDAD_INLINE int64_t tile_of(int64_t n) { return max(1024, min(largest_tile, round_up(n / 16, 1024))); }

// out[j] = entry(j), j < n, where `entry` is given what loads from an array at j. Uncached: by store_uncached, where
// whole lines are written.
template <bool Uncached, class T, class Entry>
static void write(int64_t n, T* out, const Entry& entry) {
    constexpr int width = lanes<T>;
    const auto part = [&](int64_t j, int64_t count) {
        store_part(out + j, entry([&](const T* p) { return load_part(p + j, count); }), count);
    };
    int64_t j = 0;
    if constexpr (Uncached) {
        const auto offset = reinterpret_cast<uintptr_t>(out) / sizeof(T) % width;
        j = min(n, static_cast<int64_t>((width - offset) % width));
        part(0, j);
    }
    for (; j + width <= n; j += width) {
        const Vector<T> value = entry([&](const T* p) { return load(p + j); });
        if constexpr (Uncached) {
            store_uncached(out + j, value);
        } else {
            store(out + j, value);
        }
    }
    part(j, n - j);
}

template <class T, class Entry>
static void write(bool uncached, int64_t n, T* out, const Entry& entry) {
    uncached ? write<true>(n, out, entry) : write<false>(n, out, entry);
}

// Whether k results of n entries are so large that nothing of them would be found in the caches again.
template <class T>
static bool exceeds_caches(int64_t k, int64_t n) {
    return k * n * static_cast<int64_t>(sizeof(T)) > last_level_cache() / 2;
}

// Call f(first, count) for tiles that make up [0, n).
template <class F>
static void for_tiles(int64_t n, double work, const F& f) {
    const int64_t tile = tile_of(n);
    const int64_t tiles = blocks_of(n, tile);
    parallel_ranges(threads_for(tiles, work), tiles, [&](int64_t begin, int64_t end, int) {
        for (int64_t t = begin; t < end; ++t) {
            f(t * tile, min(tile, n - t * tile));
        }
        fence_uncached();
    });
}

}  // namespace fwdad::FWDAD_ISA
