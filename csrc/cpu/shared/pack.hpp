// Packing: matrices as a product's inner loop reads them, from one end to the other. Left factors in panels of
// tile_rows rows, [panel][depth][tile_rows], right factors in panels of tile_columns columns,
// [panel][depth][tile_columns].
#pragma once

#include <stdint.h>
#include <string.h>

#include "run.hpp"
#include "simd.hpp"
#include "tile.hpp"

namespace fwdad::FWDAD_ISA {

// rows[j][lane] and rows[lane][j] change places in each square of Rows x Rows lanes.
template <int Rows, int step = 1, class V>
FWDAD_INLINE void transpose_squares(V (&rows)[Rows]) {
    if constexpr (step < Rows) {
        decltype(rows[0] < rows[0]) odd = {};
#pragma GCC unroll 16
        for (int lane = 0; lane < static_cast<int>(sizeof(V) / sizeof(rows[0][0])); ++lane) {
            odd[lane] = (lane & step) != 0 ? -1 : 0;
        }
#pragma GCC unroll 16
        for (int j = 0; j < Rows; ++j) {
            if ((j & step) == 0) {
                const V upper = rows[j];
                const V lower = rows[j + step];
                rows[j] = odd ? swap_lanes<step>(lower) : upper;
                rows[j + step] = odd ? lower : swap_lanes<step>(upper);
            }
        }
        transpose_squares<Rows, 2 * step>(rows);
    }
}

// to [depth][tile_rows] = a (tile_rows, depth), whose rows are contiguous.
template <class T>
static void pack_rows(const T* a, int64_t row, int64_t depth, T* to) {
    int64_t p = 0;
    if constexpr (lanes<T> % tile_rows == 0) {
        for (; p + lanes<T> <= depth; p += lanes<T>) {
            Vector<T> rows[tile_rows];
#pragma GCC unroll 8
            for (int r = 0; r < tile_rows; ++r) {
                rows[r] = load(a + r * row + p);
            }
            transpose_squares(rows);
#pragma GCC unroll 8
            for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 4
                for (int square = 0; square < lanes<T> / tile_rows; ++square) {
                    const int first = square * tile_rows;
                    memcpy(to + (p + first + r) * tile_rows, reinterpret_cast<const T*>(&rows[r]) + first,
                           tile_rows * sizeof(T));
                }
            }
        }
    }
    for (; p < depth; ++p) {
        for (int r = 0; r < tile_rows; ++r) {
            to[p * tile_rows + r] = a[r * row + p];
        }
    }
}

// out [panels][depth][tile_rows] = a (m, depth), with zeros below the last row. Panels begin .. end - 1 only.
template <class T>
static void pack_left(const T* a, int64_t row, int64_t column, int64_t m, int64_t depth, int64_t begin, int64_t end,
                      T* out) {
    for (int64_t panel = begin; panel < end; ++panel) {
        const T* from = a + panel * tile_rows * row;
        T* to = out + panel * depth * tile_rows;
        const int64_t rows = min(tile_rows, m - panel * tile_rows);
        if (rows == tile_rows && column == 1) {
            pack_rows(from, row, depth, to);
            continue;
        }
        for (int64_t p = 0; p < depth; ++p) {
            for (int r = 0; r < tile_rows; ++r) {
                to[p * tile_rows + r] = r < rows ? from[r * row + p * column] : 0;
            }
        }
    }
}

// out [depth][tile_columns] = b (depth, columns), with zeros right of the last column in its register.
template <class T>
static void pack_right(const T* b, int64_t row, int64_t column, int64_t depth, int64_t columns, T* out) {
    constexpr int width = tile_columns<T>;
    if (column == 1 && columns == width) {
        for (int64_t p = 0; p < depth; ++p) {
#pragma GCC unroll 4
            for (int v = 0; v < tile_vectors; ++v) {
                store(out + p * width + v * lanes<T>, load(b + p * row + v * lanes<T>));
            }
        }
        return;
    }
    const int64_t whole = round_up(columns, lanes<T>);  // registers right of these are not read
    if (column == 1) {
        for (int64_t p = 0; p < depth; ++p) {
            for (int64_t j = columns; j < whole; ++j) {
                out[p * width + j] = 0;
            }
            memcpy(out + p * width, b + p * row, static_cast<size_t>(columns) * sizeof(T));
        }
        return;
    }
    // Along the shorter stride first: a transposed matrix is read along its rows.
    const int64_t strip = 8;
    for (int64_t p0 = 0; p0 < depth; p0 += strip) {
        const int64_t p1 = min(depth, p0 + strip);
        for (int64_t j = 0; j < whole; ++j) {
            for (int64_t p = p0; p < p1; ++p) {
                out[p * width + j] = j < columns ? b[p * row + j * column] : 0;
            }
        }
    }
}

// How many neighbouring right panels are packed at a time: pieces of rows are then long enough for memory to be read at
// its speed, also where the rows lie a power of two apart.
constexpr int panels_at_once = 192 / (tile_vectors * register_bytes);

// Right panels that are packed, or fetched only, row by row, while tiles of those before them are computed. Rows of a
// matrix are far apart, often by a power of two: if all were fetched first, they would push each other out of the cache
// before they are packed.
template <class T>
struct NextPanels {
    const T* from;  // [rows][panels * tile_columns], row by row `stride` apart
    int64_t stride;
    int64_t rows;  // 0: there is nothing to do
    int64_t panels;
    T* to;  // [panels][rows][tile_columns]
    int64_t fetched;
    int64_t packed;  // all rows from the beginning: they are only fetched
};

template <class T>
FWDAD_INLINE int64_t panels_of(const NextPanels<T>& ahead) {
    return panels_at_once == 1 ? 1 : ahead.panels;
}

template <class T>
FWDAD_INLINE void pack_row(NextPanels<T>& ahead) {
    constexpr int width = tile_columns<T>;
    for (int64_t panel = 0; panel < panels_of(ahead); ++panel) {
        const T* from = ahead.from + ahead.packed * ahead.stride + panel * width;
        T* to = ahead.to + (panel * ahead.rows + ahead.packed) * width;
#pragma GCC unroll 4
        for (int v = 0; v < tile_vectors; ++v) {
            store(to + v * lanes<T>, load(from + v * lanes<T>));
        }
    }
    ++ahead.packed;
}

// Fetch one row, and pack the one that was fetched 24 calls ago.
template <class T>
FWDAD_INLINE void advance(NextPanels<T>& ahead) {
    if (ahead.fetched < ahead.rows) {
        const char* row = reinterpret_cast<const char*>(ahead.from + ahead.fetched * ahead.stride);
        const int64_t size = panels_of(ahead) * (tile_vectors * register_bytes);
#pragma GCC unroll 4
        for (int64_t at = 0; at < size; at += 64) {
            __builtin_prefetch(row + at, 0, 2);
        }
        __builtin_prefetch(row + size - 1, 0, 2);  // a row that is not aligned ends in one line more
        ++ahead.fetched;
    }
    if (ahead.packed < ahead.rows && (ahead.fetched == ahead.rows || ahead.fetched > ahead.packed + 24)) {
        pack_row(ahead);
    }
}

}  // namespace fwdad::FWDAD_ISA
