// gram: G_ij = <v_i, v_j>.
//
// The entries are cut into tiles small enough for k pieces of a tile to stay in the second-level cache and the pieces
// of one block of sums in the first, and the tiles into sections. The sums of a tile are added to those of its section
// in double. The cut depends on the shape alone, each section has its own sums, and these are added in order: the bits
// do not depend on the number of threads.
#include <string.h>

#include "projection.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int most_rows = registers == 32 ? 4 : 2;
constexpr int most_columns = 4;

FWDAD_INLINE Float load_as(const float* p, float) { return load(p); }
template <class T>
FWDAD_INLINE Double load_as(const T* p, double) {
    return load_double(p);
}

// sum[r][c] += a[r] b[c] for one register of entries, in the type S.
template <class S, int Rows, int Columns, class T>
FWDAD_INLINE void add_products(const T* const (&a)[Rows], const T* const (&b)[Columns], int64_t at,
                               Vector<S> (&sum)[Rows * Columns]) {
    Vector<S> left[Rows];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
        left[r] = load_as(a[r] + at, S{});
    }
#pragma GCC unroll 4
    for (int c = 0; c < Columns; ++c) {
        const Vector<S> right = load_as(b[c] + at, S{});
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
            sum[r * Columns + c] = fma(left[r], right, sum[r * Columns + c]);
        }
    }
}

// total[j] = the sum of the lanes of sum[j].
template <class S, int N>
void add_lanes(Vector<S> (&sum)[N], S (&total)[N]) {
    constexpr int width = lanes<S>;
    if constexpr (N % width == 0) {
        for (int j = 0; j < N; j += width) {
            store(total + j, fold_lanes<S>(sum + j));
        }
    } else {
        for (int j = 0; j < N; ++j) {
            S parts[width];
            store(parts, sum[j]);
            total[j] = 0;
            for (S part : parts) {
                total[j] += part;
            }
        }
    }
}

// g[i][j] += sum over n of v_i v_j for the lower triangle, v_i = pieces + i * stride.
template <class S, int Rows, int Columns, class T>
void add_blocks(const T* pieces, int64_t stride, int64_t k, int64_t n, double* g) {
    constexpr int width = lanes<S>;
    for (int64_t i = 0; i < k; i += Rows) {
        for (int64_t j = 0; j < i + Rows && j < k; j += Columns) {
            // Beyond the last direction, take the last again: its sums are not stored.
            const T* a[Rows];
            const T* b[Columns];
            for (int r = 0; r < Rows; ++r) {
                a[r] = pieces + least(i + r, k - 1) * stride;
            }
            for (int c = 0; c < Columns; ++c) {
                b[c] = pieces + least(j + c, k - 1) * stride;
            }
            Vector<S> sum[Rows * Columns] = {};
            int64_t at = 0;
            for (; at + width <= n; at += width) {
                add_products<S, Rows, Columns>(a, b, at, sum);
            }
            if (at < n) {
                T rest[Rows + Columns][width] = {};
                for (int r = 0; r < Rows; ++r) {
                    memcpy(rest[r], a[r] + at, static_cast<size_t>(n - at) * sizeof(T));
                    a[r] = rest[r];
                }
                for (int c = 0; c < Columns; ++c) {
                    memcpy(rest[Rows + c], b[c] + at, static_cast<size_t>(n - at) * sizeof(T));
                    b[c] = rest[Rows + c];
                }
                add_products<S, Rows, Columns>(a, b, 0, sum);
            }
            S total[Rows * Columns];
            add_lanes<S>(sum, total);
            for (int r = 0; r < Rows && i + r < k; ++r) {
                for (int c = 0; c < Columns && j + c <= i + r; ++c) {
                    g[(i + r) * k + j + c] += static_cast<double>(total[r * Columns + c]);
                }
            }
        }
    }
}

template <class S, class T>
void add_lower_triangle(const T* pieces, int64_t stride, int64_t k, int64_t n, double* g) {
    const auto add = k == 1 ? add_blocks<S, 1, 1, T> : add_blocks<S, most_rows, most_columns, T>;
    add(pieces, stride, k, n, g);
}

// For a stream, tiles are made of whole blocks of rows: two of normals, and a quarter of one of signs.
template <class T>
Tiling tiling_of(const Directions<T>& v, bool per_row) {
    const int64_t cache = 512 << 10;
    const int64_t entries = most(256, least(most_entries, cache / (most(1, v.k) * static_cast<int64_t>(sizeof(T)))));
    if (v.stream == nullptr || v.stream->entries >= 0) {
        return {v.rows, v.columns, 1, entries};
    }
    if (per_row) {
        return {v.rows, v.columns, 4, entries};  // more rows at a time would leave threads without work
    }
    const int64_t block = v.stream->rows_per_call == 4 ? 8 : 32;
    const int64_t columns = least(v.columns, entries / block);
    return {v.rows, v.columns, most(1, entries / most(1, columns) / block) * block, columns};
}

}  // namespace

void mirror(int64_t k, double* g) {
    for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = i + 1; j < k; ++j) {
            g[i * k + j] = g[j * k + i];
        }
    }
}

template <class T>
void add_gram(const T* pieces, int64_t stride, int64_t k, int64_t n, double* g) {
    add_lower_triangle<T, T>(pieces, stride, k, n, g);
}

template <class T>
void gram(const Directions<T>& v, bool per_row, bool exact, double* g) {
    const int64_t k = v.k;
    const int64_t size = k * k;
    Directions<T> flat = v;
    if (!per_row && v.stream == nullptr) {
        flat.columns = v.rows * v.columns;
        flat.rows = 1;
    }
    const int64_t results = per_row ? flat.rows : 1;
    memset(g, 0, static_cast<size_t>(results * size) * sizeof(double));
    if (v.rows * v.columns == 0 || k == 0) {
        return;
    }
    const Tiling tiling = tiling_of(flat, per_row);
    const int64_t count = tiling.count();
    const int64_t most_sections = most(2, least(16, (64 << 20) / (most(1, size) * 8)));
    const int64_t sections = per_row ? blocks_of(flat.rows, tiling.tile_rows) : least(count, most_sections);
    const auto add = exact ? add_lower_triangle<double, T> : add_lower_triangle<T, T>;
    const double work = static_cast<double>(size + 16 * k) * static_cast<double>(v.rows * v.columns) / lanes<T>;
    const int threads = threads_for(sections, work);
    const Buffer<double> sums(per_row ? 0 : sections * size);
    const int64_t piece_size = tiling.tile_rows * tiling.tile_columns;
    // Many pieces are gathered first: where they lie, a power of two apart perhaps, they would share few cache sets.
    const bool gathers = v.stream == nullptr && k > 64;
    const int64_t made_size = v.stream != nullptr || gathers ? k * piece_size : 0;
    const Buffer<T> made(threads * made_size);
    parallel_ranges(threads, sections, [&](int64_t begin, int64_t end, int thread) {
        for (int64_t section = begin; section < end; ++section) {
            double* sum = sums.get() + section * size;
            if (!per_row) {
                memset(sum, 0, static_cast<size_t>(size) * sizeof(double));
            }
            for (int64_t t = count * section / sections; t < count * (section + 1) / sections; ++t) {
                const Tile tile = tiling[t];
                T* own = made.get() + made_size * thread;
                for (int64_t i = 0; i < k && made_size != 0; ++i) {
                    const T* from = piece(flat, i, tile, own + i * piece_size).data;
                    if (gathers) {
                        memcpy(own + i * piece_size, from, static_cast<size_t>(tile.columns) * sizeof(T));
                    }
                }
                const T* data = made_size != 0 ? own : piece(flat, 0, tile, own).data;
                const int64_t stride = made_size != 0 ? piece_size : flat.rows * flat.columns;
                if (!per_row) {
                    add(data, stride, k, tile.rows * tile.columns, sum);
                    continue;
                }
                for (int64_t r = 0; r < tile.rows; ++r) {
                    add(data + r * tile.columns, stride, k, tile.columns, g + (tile.row + r) * size);
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

template void add_gram(const float*, int64_t, int64_t, int64_t, double*);
template void add_gram(const double*, int64_t, int64_t, int64_t, double*);
template void gram(const Directions<float>&, bool, bool, double*);
template void gram(const Directions<double>&, bool, bool, double*);

}  // namespace fwdad::FWDAD_ISA
