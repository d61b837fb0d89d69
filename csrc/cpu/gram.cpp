// gram: G_ij = <v_i, v_j>, every product and sum in double.
//
// The entries are cut into tiles small enough for k pieces of a tile to stay in the second-level cache, and the tiles
// into sections. The cut depends on the shape alone, each section has its own sums, and these are added in order: the
// bits do not depend on the number of threads.
#include <string.h>

#include "projection.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int width = lanes<double>;
constexpr int block_rows = registers == 32 ? 4 : 2;
constexpr int block_columns = 4;

double sum_of(Double v) {
    double parts[width];
    store(parts, v);
    double sum = 0;
    for (double part : parts) {
        sum += part;
    }
    return sum;
}

template <class T>
FWDAD_INLINE void add_products(const T* const (&a)[block_rows], const T* const (&b)[block_columns], int64_t at,
                               Double (&sum)[block_rows][block_columns]) {
    Double left[block_rows];
#pragma GCC unroll 4
    for (int r = 0; r < block_rows; ++r) {
        left[r] = load_double(a[r] + at);
    }
#pragma GCC unroll 4
    for (int c = 0; c < block_columns; ++c) {
        const Double right = load_double(b[c] + at);
#pragma GCC unroll 4
        for (int r = 0; r < block_rows; ++r) {
            sum[r][c] = fma(left[r], right, sum[r][c]);
        }
    }
}

// g[i][j] += sum over n of v_i v_j for the lower triangle, v_i = pieces + i * stride.
template <class T>
void add_gram(const T* pieces, int64_t stride, int64_t k, int64_t n, double* g) {
    for (int64_t i = 0; i < k; i += block_rows) {
        for (int64_t j = 0; j < i + block_rows && j < k; j += block_columns) {
            // Beyond the last direction, take the last again: its sums are not stored.
            const T* a[block_rows];
            const T* b[block_columns];
            for (int r = 0; r < block_rows; ++r) {
                a[r] = pieces + least(i + r, k - 1) * stride;
            }
            for (int c = 0; c < block_columns; ++c) {
                b[c] = pieces + least(j + c, k - 1) * stride;
            }
            Double sum[block_rows][block_columns] = {};
            int64_t at = 0;
            for (; at + width <= n; at += width) {
                add_products(a, b, at, sum);
            }
            if (at < n) {
                T rest[block_rows + block_columns][width] = {};
                for (int r = 0; r < block_rows; ++r) {
                    memcpy(rest[r], a[r] + at, static_cast<size_t>(n - at) * sizeof(T));
                    a[r] = rest[r];
                }
                for (int c = 0; c < block_columns; ++c) {
                    memcpy(rest[block_rows + c], b[c] + at, static_cast<size_t>(n - at) * sizeof(T));
                    b[c] = rest[block_rows + c];
                }
                add_products(a, b, 0, sum);
            }
            for (int r = 0; r < block_rows && i + r < k; ++r) {
                for (int c = 0; c < block_columns && j + c <= i + r; ++c) {
                    g[(i + r) * k + j + c] += sum_of(sum[r][c]);
                }
            }
        }
    }
}

void mirror(int64_t k, double* g) {
    for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = i + 1; j < k; ++j) {
            g[i * k + j] = g[j * k + i];
        }
    }
}

// Tiles of which k pieces fill about 512 KiB; for a stream, made of whole generator calls.
template <class T>
Tiling tiling_of(const Directions<T>& v, bool per_row) {
    const int64_t entries = most(256, least(8192, (512 << 10) / (most(1, v.k) * static_cast<int64_t>(sizeof(T)))));
    if (v.stream == nullptr) {
        return {v.rows, v.columns, 1, entries};
    }
    const int64_t call = v.stream->entries >= 0 ? 1 : v.stream->rows_per_call;
    const int64_t columns = round_up(most(1, entries / call), 128);
    if (per_row) {
        return {v.rows, v.columns, 4, columns};  // more rows at a time would leave threads without work
    }
    const int64_t rows = v.columns < columns ? round_up(most(1, entries / most(1, v.columns)), call) : call;
    return {v.rows, v.columns, rows, columns};
}

}  // namespace

template <class T>
void gram(const Directions<T>& v, bool per_row, double* g) {
    const int64_t k = v.k;
    const int64_t size = k * k;
    Directions<T> flat = v;
    if (!per_row && v.stream == nullptr) {
        flat.columns = v.rows * v.columns;
        flat.rows = 1;
    }
    const Tiling tiling = tiling_of(flat, per_row);
    const int64_t count = tiling.count();
    const int64_t most_sections = most(2, least(16, (64 << 20) / (most(1, size) * 8)));
    const int64_t sections = per_row ? blocks_of(flat.rows, tiling.tile_rows) : least(count, most_sections);
    const int64_t results = per_row ? flat.rows : 1;
    memset(g, 0, static_cast<size_t>(results * size) * sizeof(double));
    if (count == 0 || k == 0) {
        return;
    }
    const double work = static_cast<double>(size) * static_cast<double>(v.rows * v.columns) / width;
    const int threads = threads_for(sections, work);
    const Buffer<double> sums(per_row ? 0 : sections * size);
    const int64_t piece_size = tiling.tile_rows * tiling.tile_columns;
    const int64_t made_size = v.stream == nullptr ? 0 : k * piece_size;
    const Buffer<T> made(threads * made_size);
    parallel_ranges(threads, sections, [&](int64_t begin, int64_t end, int thread) {
        for (int64_t section = begin; section < end; ++section) {
            double* sum = sums.get() + section * size;
            if (!per_row) {
                memset(sum, 0, static_cast<size_t>(size) * sizeof(double));
            }
            for (int64_t t = count * section / sections; t < count * (section + 1) / sections; ++t) {
                const Tile tile = tiling[t];
                const T* data = piece(flat, 0, tile, made.get() + made_size * thread).data;
                int64_t stride = flat.rows * flat.columns;
                if (v.stream != nullptr) {
                    stride = piece_size;
                    for (int64_t i = 1; i < k; ++i) {
                        piece(flat, i, tile, made.get() + made_size * thread + i * piece_size);
                    }
                }
                if (!per_row) {
                    add_gram(data, stride, k, tile.rows * tile.columns, sum);
                    continue;
                }
                for (int64_t r = 0; r < tile.rows; ++r) {
                    add_gram(data + r * tile.columns, stride, k, tile.columns, g + (tile.row + r) * size);
                }
            }
        }
    });
    for (int64_t section = 0; section < sections && !per_row; ++section) {
        for (int64_t j = 0; j < size; ++j) {
            g[j] += sums.get()[section * size + j];
        }
    }
    for (int64_t b = 0; b < results; ++b) {
        mirror(k, g + b * size);
    }
}

template void gram(const Directions<float>&, bool, double*);
template void gram(const Directions<double>&, bool, double*);

}  // namespace fwdad::FWDAD_ISA
