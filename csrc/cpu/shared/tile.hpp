// The tile of results that the registers hold during a matrix product, and how it is summed.
#pragma once

#include "arguments.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// The largest tile whose sums fit the registers, beside one row of the right panel and one entry of the left.
constexpr int tile_rows = registers == 32 ? 8 : 4;
constexpr int tile_vectors = registers == 32 || register_bytes == 32 ? 3 : 2;
template <class T>
constexpr int tile_columns = tile_vectors * lanes<T>;

// z[j] += entry (row, column + j) of matrix i, j < n.
template <class T>
FWDAD_INLINE void add_row(const Matrix<T>& a, int64_t i, int64_t row, int64_t column, int64_t n, T* z) {
    const T* const from = a.data + i * a.batch + row * a.row + column * a.column;
    if (a.column == 1) {
        for (int64_t j = 0; j < n; ++j) {
            z[j] += from[j];
        }
    } else {
        for (int64_t j = 0; j < n; ++j) {
            z[j] += from[j * a.column];
        }
    }
}

// sum[r] += entry(r) * row, a row of a right panel; only the first `Vectors` registers of it.
template <int Vectors, class T, class F>
FWDAD_INLINE void add_outer(const T* row, const F& entry, Vector<T> (&sum)[tile_rows][Vectors]) {
    Vector<T> part[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
        part[v] = load(row + v * lanes<T>);
    }
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r) {
        const Vector<T> factor = splat(entry(r));
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
            sum[r][v] = fma(factor, part[v], sum[r][v]);
        }
    }
}

// tile [tile_rows][tile_columns] = the sums.
template <int Vectors, class T>
FWDAD_INLINE void store_tile(const Vector<T> (&sum)[tile_rows][Vectors], T* tile) {
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
            store(tile + r * tile_columns<T> + v * lanes<T>, sum[r][v]);
        }
    }
}

// Calls f(Registers<number>()) with the number of registers that `columns` columns of a tile fill.
template <int number>
struct Registers {
    static constexpr int count = number;
};
template <class T, class F>
FWDAD_INLINE void by_registers(int64_t columns, const F& f) {
    if (columns <= lanes<T>) {
        f(Registers<1>());
    } else if (tile_vectors == 2 || columns > 2 * lanes<T>) {
        f(Registers<tile_vectors>());
    } else {
        f(Registers<2>());
    }
}

}  // namespace fwdad::FWDAD_ISA
