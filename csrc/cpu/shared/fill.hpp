// Tiles of a stream, for every kernel that reads directions.
#pragma once

#include "arguments.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// out[r * stride + c] = entry (row0 + r, column0 + c) of one direction, for r < rows, c < columns; row0 a multiple
// of 4. For a vector: row0 = 0, rows = 1, and columns are entries, column0 a multiple of rows_per_call.
template <class T>
void fill(const Stream& stream, int64_t direction, int64_t row0, int64_t rows, int64_t column0, int64_t columns, T* out,
          int64_t stride);

// The matrix that fill's arguments count in.
FWDAD_INLINE int64_t fill_rows(const Stream& stream) { return stream.entries < 0 ? stream.rows : 1; }
FWDAD_INLINE int64_t fill_columns(const Stream& stream) { return stream.entries < 0 ? stream.columns : stream.entries; }

}  // namespace fwdad::FWDAD_ISA
