// What matrix products share: the tile of results that the registers hold, and what is added to a row of it.
#pragma once

#include <stdint.h>

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

}  // namespace fwdad::FWDAD_ISA
