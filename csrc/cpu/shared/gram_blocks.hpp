// The inner loop of a Gram matrix: the inner products of k pieces of n entries, in blocks of 4 x 4 directions.
//
// Four pieces at a time are packed into the cache, register by register, [direction / 4][entry / lanes][direction % 4]
// [lanes], while their products with each other are formed; then they meet those that are packed already. So blocks
// read from one end to the other, aligned, pieces that may lie a power of two apart and share few sets of the cache.
#pragma once

#include <string.h>

#include "run.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// The most entries that are summed in float before the sum is added to one in double.
constexpr int64_t most_entries = 1024;

constexpr int block = 4;
constexpr int rows_at_once = registers == 32 ? 4 : 2;  // of a block, whose sums the registers hold

// How many sums k directions have: [row of blocks][block up to the diagonal][block][block].
FWDAD_INLINE int64_t sums_of(int64_t k) {
    const int64_t rows = blocks_of(k, block);
    return rows * (rows + 1) / 2 * block * block;
}

// g (k, k) = the sums, in both triangles.
static inline void unpack(int64_t k, const double* sums, double* g) {
    for (int64_t i0 = 0; i0 < k; i0 += block) {
        for (int64_t j0 = 0; j0 <= i0; j0 += block, sums += block * block) {
            for (int64_t i = i0; i < min(i0 + block, k); ++i) {
                for (int64_t j = j0; j < j0 + block && j <= i; ++j) {
                    g[i * k + j] = g[j * k + i] = sums[(i - i0) * block + j - j0];
                }
            }
        }
    }
}

// sums [count][size]: the first += all others, in order.
static inline void add_up(int64_t count, int64_t size, double* sums) {
    for (int64_t part = 1; part < count; ++part) {
        for (int64_t j = 0; j < size; ++j) {
            sums[j] += sums[part * size + j];
        }
    }
}

FWDAD_INLINE Float load_as(const float* p, float) { return load(p); }
template <class T>
FWDAD_INLINE Double load_as(const T* p, double) {
    return load_double(p);
}

// total[j] += the sum of the lanes of sum[j], which is overwritten, for j < N, a multiple of the lanes.
template <class S, int N>
FWDAD_INLINE void add_lanes(Vector<S> (&sum)[N], double* total) {
#pragma GCC unroll 8
    for (int j = 0; j < N; j += lanes<S>) {
        S folded[lanes<S>];
        store(folded, fold_lanes<S>(sum + j));
#pragma GCC unroll 2
        for (int part = 0; part < lanes<S>; part += lanes<double>) {
            store(total + j + part, load(total + j + part) + load_double(folded + part));
        }
    }
}

// sums [block][block] += the products of four packed pieces with four, of n entries, a multiple of the lanes.
template <class S>
FWDAD_INLINE void add_block(const S* a, const S* b, int64_t n, double* sums) {
    constexpr int width = lanes<S>;
    for (int row = 0; row < block; row += rows_at_once) {
        Vector<S> sum[rows_at_once * block] = {};
        const auto add = [&](int64_t at) {
            Vector<S> left[rows_at_once];
#pragma GCC unroll 4
            for (int r = 0; r < rows_at_once; ++r) {
                left[r] = load(a + at * block + (row + r) * width);
            }
#pragma GCC unroll 4
            for (int c = 0; c < block; ++c) {
                Vector<S> right = load(b + at * block + c * width);
                keep_in_register(right);
#pragma GCC unroll 4
                for (int r = 0; r < rows_at_once; ++r) {
                    sum[r * block + c] = fma(left[r], right, sum[r * block + c]);
                }
            }
        };
        int64_t at = 0;
        for (; at + 2 * width <= n; at += 2 * width) {
            add(at);
            add(at + width);
        }
        if (at < n) {
            add(at);
        }
        add_lanes<S>(sum, sums + row * block);
    }
}

// Packs `Count` pieces of n entries, and sums [block][block] += their products with each other, the lower triangle.
template <int Count, class S, class T>
FWDAD_INLINE void pack_and_multiply(const T* const (&from)[block], int64_t n, S* to, double* sums) {
    constexpr int width = lanes<S>;
    Vector<S> sum[block * block] = {};
    const auto add = [&](const auto& entry, S* at) {
        Vector<S> own[Count];
#pragma GCC unroll 4
        for (int r = 0; r < Count; ++r) {
            own[r] = entry(r);
            store(at + r * width, own[r]);
#pragma GCC unroll 4
            for (int c = 0; c <= r; ++c) {
                sum[r * block + c] = fma(own[r], own[c], sum[r * block + c]);
            }
        }
    };
    int64_t at = 0;
    for (; at + width <= n; at += width) {
        add([&](int r) { return load_as(from[r] + at, S{}); }, to + at * block);
    }
    if (at < n) {
        T rest[Count][width] = {};
        for (int r = 0; r < Count; ++r) {
            memcpy(rest[r], from[r] + at, static_cast<size_t>(n - at) * sizeof(T));
        }
        add([&](int r) { return load_as(rest[r], S{}); }, to + at * block);
    }
    add_lanes<S>(sum, sums);
}

// Room for k packed pieces of n entries.
template <class S>
FWDAD_INLINE int64_t packed_size(int64_t k, int64_t n) {
    return round_up(k, block) * round_up(n, lanes<S>);
}

// sums (sums_of(k)) += the inner products of k pieces of n <= most_entries entries each, summed in S. entries_at(i) is
// called once for each i, in order, and stays where it is until the fourth call after it. after_block() is called once
// for each block: something to do while this is computed. packed [packed_size(k, n)].
template <class S, class Entries, class After>
void add_gram(int64_t k, int64_t n, const Entries& entries_at, S* packed, double* sums, const After& after_block) {
    const int64_t whole = round_up(n, lanes<S>);
    for (int64_t i = 0; i < k; i += block) {
        decltype(entries_at(i)) from[block];
        for (int r = 0; r < block; ++r) {
            // Beyond the last direction, take the last again: its sums are not used.
            from[r] = i + r < k ? entries_at(i + r) : from[r - 1];
        }
        S* const own = packed + i * whole;
        double* const diagonal = sums + i * block;
        k == 1 ? pack_and_multiply<1>(from, n, own, diagonal) : pack_and_multiply<block>(from, n, own, diagonal);
        after_block();
        for (int64_t j = 0; j < i; j += block, sums += block * block) {
            add_block(own, packed + j * whole, whole, sums);
            after_block();
        }
        sums += block * block;
    }
}

}  // namespace fwdad::FWDAD_ISA
