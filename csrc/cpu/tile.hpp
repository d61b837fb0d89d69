// What matrix products share: the tile of results that the registers hold, how it is summed, and what becomes of a row.
#pragma once

#include <stdint.h>

#include "activation.hpp"
#include "kernels.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// The largest tile whose sums fit the registers, beside one row of the right panel and one entry of the left.
constexpr int tile_rows = registers == 32 ? 8 : 4;
constexpr int tile_vectors = registers == 32 || register_bytes == 32 ? 3 : 2;
template <class T>
constexpr int tile_columns = tile_vectors * lanes<T>;

// z[j] += bias_i (row, column + j), j < n.
template <class T>
FWDAD_INLINE void add_bias(const Matrix<T>& bias, int64_t i, int64_t row, int64_t column, int64_t n, T* z) {
    const T* b = bias.data + i * bias.batch + row * bias.row + column * bias.column;
    if (bias.column == 1) {
        for (int64_t j = 0; j < n; ++j) {
            z[j] += b[j];
        }
    } else {
        for (int64_t j = 0; j < n; ++j) {
            z[j] += b[j * bias.column];
        }
    }
}

// sum[r] += entry(r) * row, a row of a right panel; only the first `Vectors` registers of it.
template <int Vectors, class T, class F>
FWDAD_INLINE void add_row(const T* row, const F& entry, Vector<T> (&sum)[tile_rows][Vectors]) {
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

// A row of a primal, act(z + bias), whose slope act'(z + bias) is kept unless null; or of a tangent, z + bias times the
// slope, of 1 where it is null.
template <class T>
FWDAD_INLINE void finish_row(const Matrix<T>& bias, int64_t i, int64_t row, int64_t column0, int64_t n, bool is_primal,
                             Activation activation, T* z, T* slope, T* out) {
    if (bias.data != nullptr) {
        add_bias(bias, i, row, column0, n, z);
    }
    if (is_primal) {
        activate(activation, n, z, out, slope);
        return;
    }
    for (int64_t j = 0; j < n; ++j) {
        out[j] = slope == nullptr ? z[j] : slope[j] * z[j];
    }
}

}  // namespace fwdad::FWDAD_ISA
