// The inner loop of a matrix product: one tile of results, in registers, from packed panels (pack.hpp).
#pragma once

#include "pack.hpp"
#include "simd.hpp"
#include "tile.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
struct Stretch {
    const T* left;         // [depth][tile_rows]
    const T* right;        // [depth][tile_columns]
    NextPanels<T>* ahead;  // what is fetched and packed meanwhile
};

// tile [tile_rows][tile_columns] = sum over `count` stretches of left^T right; only the first `Vectors` registers of a
// row.
template <int Vectors, class T>
static void multiply(const Stretch<T>* stretches, int count, int64_t depth, T* tile) {
    constexpr int width = tile_columns<T>;
    Vector<T> sum[tile_rows][Vectors] = {};
    for (int s = 0; s < count; ++s) {
        const T* left = stretches[s].left;
        const T* right = stretches[s].right;
        NextPanels<T>& ahead = *stretches[s].ahead;
        constexpr int64_t steps = 8 * panels_at_once;  // a row for so many: as fast as a core's products use them up
        for (int64_t begin = 0; begin < depth; begin += steps) {
            advance(ahead);
            const int64_t end = min(depth, begin + steps);
            for (int64_t p = begin; p < end; ++p, left += tile_rows, right += width) {
                add_outer<Vectors>(right, [&](int r) { return left[r]; }, sum);
            }
        }
    }
    store_tile<Vectors>(sum, tile);
}

template <class T>
static void multiply(int64_t columns, const Stretch<T>* stretches, int count, int64_t depth, T* tile) {
    by_registers<T>(columns,
                    [&](auto registers_of_row) { multiply<registers_of_row.count>(stretches, count, depth, tile); });
}

}  // namespace fwdad::FWDAD_ISA
