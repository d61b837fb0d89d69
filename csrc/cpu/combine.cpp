// combine: sum_i c_i v_i, summed in double over i = 0, 1, ... for each entry, and rounded once.
#include <string.h>

#include "projection.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// sum[j] = c v[j], or sum[j] + c v[j] for all directions but the first. The last, incomplete register goes through
// copies, so that each entry sees the same operations wherever it lies.
template <class T>
void add_scaled(bool first, double c, const T* v, int64_t n, double* sum) {
    constexpr int width = lanes<double>;
    int64_t j = 0;
    if (first) {
        for (; j + width <= n; j += width) {
            store(sum + j, fma(splat(c), load_double(v + j), Double{}));
        }
    } else {
        for (; j + width <= n; j += width) {
            store(sum + j, fma(splat(c), load_double(v + j), load(sum + j)));
        }
    }
    if (j < n) {
        const size_t rest = static_cast<size_t>(n - j);
        T entries[width] = {};
        double sums[width] = {};
        memcpy(entries, v + j, rest * sizeof(T));
        if (!first) {
            memcpy(sums, sum + j, rest * sizeof(double));
        }
        store(sums, fma(splat(c), load_double(entries), load(sums)));
        memcpy(sum + j, sums, rest * sizeof(double));
    }
}

// out[j] = sum[j], rounded.
template <class T>
void round_sums(const double* sum, int64_t n, T* out) {
    constexpr int width = lanes<double>;
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        store_double(out + j, load(sum + j));
    }
    for (; j < n; ++j) {
        out[j] = static_cast<T>(sum[j]);
    }
}

// Tiles whose sums fit the first-level cache; for a stream, made of whole generator calls where that costs nothing.
template <class T>
Tiling tiling_of(const Directions<T>& v) {
    const int64_t entries = 2048;
    if (v.stream == nullptr) {
        return {v.rows, v.columns, 1, entries};
    }
    const int64_t call = v.stream->entries >= 0 ? 1 : v.stream->rows_per_call;
    const int64_t columns = round_up(most(1, entries / call), 128);
    const int64_t rows = v.columns < columns ? round_up(most(1, entries / most(1, v.columns)), call) : call;
    return {v.rows, v.columns, rows, columns};
}

}  // namespace

template <class T>
void combine(const double* c, const Directions<T>& v, bool per_row, T* out) {
    Directions<T> flat = v;
    if (!per_row && v.stream == nullptr) {
        flat.columns = v.rows * v.columns;
        flat.rows = 1;
    }
    const Tiling tiling = tiling_of(flat);
    const int64_t count = tiling.count();
    const int64_t size = round_up(tiling.tile_rows * tiling.tile_columns, 64);
    const double work = static_cast<double>(v.k) * static_cast<double>(v.rows * v.columns);
    const int threads = threads_for(count, v.stream == nullptr ? work / 4 : work * 4);
    const Buffer<double> sums(threads * size);
    const int64_t made_size = v.stream == nullptr ? 0 : size;
    const Buffer<T> made(threads * made_size);
    parallel_ranges(threads, count, [&](int64_t begin, int64_t end, int thread) {
        double* sum = sums.get() + thread * size;
        for (int64_t t = begin; t < end; ++t) {
            const Tile tile = tiling[t];
            for (int64_t i = 0; i < v.k; ++i) {
                const Piece<T> from = piece(flat, i, tile, made.get() + made_size * thread);
                for (int64_t r = 0; r < tile.rows; ++r) {
                    const double factor = per_row ? c[(tile.row + r) * v.k + i] : c[i];
                    add_scaled(i == 0, factor, from.data + r * from.stride, tile.columns, sum + r * tile.columns);
                }
            }
            for (int64_t r = 0; r < tile.rows; ++r) {
                round_sums(sum + r * tile.columns, tile.columns, out + (tile.row + r) * flat.columns + tile.column);
            }
        }
    });
}

template void combine(const double*, const Directions<float>&, bool, float*);
template void combine(const double*, const Directions<double>&, bool, double*);

}  // namespace fwdad::FWDAD_ISA
