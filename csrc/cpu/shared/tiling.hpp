// How gram and combine cut the matrix of their directions into tiles, and read or generate a direction on one.
#pragma once

#include "arguments.hpp"
#include "fill.hpp"
#include "run.hpp"

namespace fwdad::FWDAD_ISA {

// A rectangle of the directions' matrix.
struct Tile {
    int64_t row, rows, column, columns;
};

// The matrix cut into tiles of at most rows x columns, counted along the rows first.
struct Tiling {
    int64_t rows, columns;            // of the matrix
    int64_t tile_rows, tile_columns;  // of a tile
    int64_t across() const { return blocks_of(columns, tile_columns); }
    int64_t count() const { return blocks_of(rows, tile_rows) * across(); }
    Tile operator[](int64_t t) const {
        const int64_t row = t / across() * tile_rows;
        const int64_t column = t % across() * tile_columns;
        return {row, min(tile_rows, rows - row), column, min(tile_columns, columns - column)};
    }
};

// The directions of gram and combine: an array, v (k, rows, columns), C-contiguous, or a stream where v is null. Arrays
// whose rows need not stay apart are taken as one long row.
template <class T>
struct Rows {
    const T* v;
    const Stream* stream;
    int64_t k, rows, columns;
};
template <class T>
FWDAD_INLINE Rows<T> rows_of(const Directions<T>& v, bool per_row) {
    if (v.stream != nullptr) {
        return {nullptr, v.stream, v.stream->k, fill_rows(*v.stream), fill_columns(*v.stream)};
    }
    return {v.array.data, nullptr, v.array.count, per_row ? v.array.rows : 1, v.array.columns};
}

// Direction i on a tile: the array's own entries, or `made`, where the stream's are generated.
template <class T>
struct TileEntries {
    const T* data;
    int64_t stride;  // from row to row
};
template <class T>
FWDAD_INLINE TileEntries<T> entries_of(const Rows<T>& v, int64_t i, const Tile& tile, T* made) {
    if (v.stream == nullptr) {
        return {v.v + (i * v.rows + tile.row) * v.columns + tile.column, v.columns};
    }
    fill(*v.stream, i, tile.row, tile.rows, tile.column, tile.columns, made, tile.columns);
    return {made, tile.columns};
}

}  // namespace fwdad::FWDAD_ISA
