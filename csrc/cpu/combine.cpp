#include <string.h>

#include "shared/simd.hpp"
#include "shared/tiling.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Directions of an array at a time: sums are loaded and stored once for so many, and memory is read in as many places.
// Those of a stream come one by one, each from the first-level cache, where more would not fit beside the sums.
constexpr int group = 4;

// sum[j] += sum_i c[i] v[i * apart + j], i < Count, in order; sum[j] is 0 if `first`. If it `fetches`, entries
// of `next` are fetched meanwhile. The last, incomplete register goes through copies, so that each entry sees the same
// operations wherever it lies.
template <int Count, class T>
void add_scaled(bool first, const double* c, const T* v, int64_t apart, int64_t n, bool fetches, const T* next,
                double* sum) {
    constexpr int width = lanes<double>;
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    const auto add = [&](Double total, const T* entries, int64_t stride) {
#pragma GCC unroll 4
        for (int i = 0; i < Count; ++i, entries += stride) {
            total = fma(splat(c[i]), load_double(entries), total);
        }
        return total;
    };
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        if (fetches && j % line == 0) {
#pragma GCC unroll 4
            for (int i = 0; i < Count; ++i) {
                __builtin_prefetch(next + i * apart + j, 0, 2);
            }
        }
        store(sum + j, add(first ? Double{} : load(sum + j), v + j, apart));
    }
    if (j < n) {
        const size_t rest = static_cast<size_t>(n - j);
        T entries[Count * width] = {};
        double sums[width] = {};
        for (int i = 0; i < Count; ++i) {
            memcpy(entries + i * width, v + i * apart + j, rest * sizeof(T));
        }
        if (!first) {
            memcpy(sums, sum + j, rest * sizeof(double));
        }
        store(sums, add(load(sums), entries, width));
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

// Tiles whose sums fit the first-level cache; for a stream, made of whole generator calls, of several for each column
// where they are short. Sums of signs, 128 rows a call, fit the second-level cache only.
template <class T>
Tiling tiling_of(const Rows<T>& v) {
    const int64_t entries = 2048;
    if (v.stream == nullptr || v.stream->entries >= 0) {
        return {v.rows, v.columns, 1, entries};
    }
    const int64_t columns = min(64, max(1, v.columns));
    return {v.rows, v.columns, round_up(entries / columns, v.stream->rows_per_call), columns};
}

}  // namespace

template <class T>
void combine(In<double, 2> c, Directions<T> directions, Out<T, 2> out) {
    const bool per_row = c.shape[0] >= 0;
    const Rows<T> v = rows_of(directions, per_row);
    if (v.k == 0) {
        memset(out.data, 0, static_cast<size_t>(v.rows * v.columns) * sizeof(T));
        return;
    }
    const Tiling tiling = tiling_of(v);
    const int64_t count = tiling.count();
    const int64_t size = round_up(tiling.tile_rows * tiling.tile_columns, 64);
    const double work = static_cast<double>(v.k) * static_cast<double>(v.rows * v.columns);
    const int threads = threads_for(count, v.stream == nullptr ? work / 4 : work * 4);
    const Buffer<double> sums(threads * size);
    const int64_t made_size = v.stream == nullptr ? 0 : size;
    const Buffer<T> made(threads * made_size);
    parallel_ranges(threads, count, [&](int64_t begin, int64_t end, int thread) {
        double* const sum = sums.get() + thread * size;
        T* const own = made.get() + thread * made_size;
        for (int64_t t = begin; t < end; ++t) {
            const Tile tile = tiling[t];
            for (int64_t i = 0; i < v.k;) {
                const int64_t these = v.stream == nullptr && i + group <= v.k ? group : 1;
                const TileEntries<T> from = entries_of(v, i, tile, own);
                const int64_t apart = v.rows * v.columns;  // directions of an array
                const bool more = i + 2 * group <= v.k;
                const bool fetches = these == group && (more || t + 1 < end);
                const T* next = from.data + (more ? group * apart : 0);
                if (fetches && !more) {
                    next = entries_of(v, 0, tiling[t + 1], own).data;
                }
                for (int64_t r = 0; r < tile.rows; ++r) {
                    const double* const factors = c.data + (per_row ? (tile.row + r) * v.k : 0) + i;
                    const T* const row = from.data + r * from.stride;
                    double* const to = sum + r * tile.columns;
                    if (these == group) {
                        add_scaled<group>(i == 0, factors, row, apart, tile.columns, fetches, next, to);
                    } else {
                        add_scaled<1>(i == 0, factors, row, 0, tile.columns, false, next, to);
                    }
                }
                i += these;
            }
            for (int64_t r = 0; r < tile.rows; ++r) {
                round_sums(sum + r * tile.columns, tile.columns, out.data + (tile.row + r) * v.columns + tile.column);
            }
        }
    });
}

template decltype(combine<float>) combine<float>;
template decltype(combine<double>) combine<double>;

}  // namespace fwdad::FWDAD_ISA
