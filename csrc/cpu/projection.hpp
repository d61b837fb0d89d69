// The three steps of the projection combiner: gram.cpp, coefficients.cpp, combine.cpp.
#pragma once

#include <stdint.h>

#include "generate.hpp"
#include "kernels.hpp"
#include "run.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void gram(const Directions<T>& v, bool per_row, bool exact, double* g);
void coefficients(const double* gram, const double* d, int64_t batch, int64_t k, double* c, int64_t* rank,
                  double* margin);
template <class T>
void combine(const double* c, const Directions<T>& v, bool per_row, T* out);

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
        return {row, least(tile_rows, rows - row), column, least(tile_columns, columns - column)};
    }
};

// Direction i on a tile: a pointer into the array, or into `made`, where the stream's entries are generated.
template <class T>
struct Piece {
    const T* data;
    int64_t stride;  // from row to row
};
template <class T>
FWDAD_INLINE Piece<T> piece(const Directions<T>& v, int64_t i, const Tile& tile, T* made) {
    if (v.stream == nullptr) {
        return {v.v + (i * v.rows + tile.row) * v.columns + tile.column, v.columns};
    }
    fill(*v.stream, i, tile.row, tile.rows, tile.column, tile.columns, made, tile.columns);
    return {made, tile.columns};
}

}  // namespace fwdad::FWDAD_ISA
