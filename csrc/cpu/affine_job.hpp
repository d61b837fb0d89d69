// What affine.cpp and affine_gram.cpp compute: sums of products, tile by tile, and what becomes of a tile.
#pragma once

#include "kernels.hpp"
#include "run.hpp"
#include "tile.hpp"

namespace fwdad::FWDAD_ISA {

// The longest stretch of `depth` summed in one go: a right panel of it fills a part of the second-level cache.
constexpr int64_t longest_stretch = 1024;

// One product of the sum: left_i (m, depth) times right_i (depth, n).
template <class T>
struct Term {
    Matrix<T> left;
    const T* left_panels;  // the same for all i, packed already; or null: each thread packs left_i when it comes to it
    Matrix<T> right;
    const T* right_panels;  // the same for all i, packed already; or null: each thread packs, or generates, a panel
    const Stream* right_stream;
};

// out_i = finish(sum of terms + bias_i), for i < count.
template <class T>
struct Job {
    const Affine<T>& shape;
    int64_t count;
    Term<T> terms[2];
    int term_count;
    Matrix<T> bias;
    T* out;    // (count, m, n)
    T* slope;  // (m, n), act'(x w + b): written by the primal job (null: not wanted), read by the tangents' job
    bool is_primal;
};

// The usual tile: whole, of a tangent, its bias's rows contiguous. All in registers.
template <class T>
static void finish_whole(const Job<T>& job, int64_t i, int64_t row0, int64_t column0, bool first, bool last,
                         const T* tile) {
    const Affine<T>& shape = job.shape;
    const T* const bias = last ? job.bias.data : nullptr;
    const T* const slope = last ? job.slope : nullptr;
    for (int64_t r = 0; r < least(tile_rows, shape.m - row0); ++r) {
        const int64_t at = (row0 + r) * shape.n + column0;
        T* const out = job.out + i * shape.m * shape.n + at;
#pragma GCC unroll 4
        for (int64_t j = 0; j < tile_columns<T>; j += lanes<T>) {
            Vector<T> z = load(tile + r * tile_columns<T> + j);
            if (!first) {
                z += load(out + j);
            }
            if (bias != nullptr) {
                z += load(bias + i * job.bias.batch + (row0 + r) * job.bias.row + column0 + j);
            }
            if (slope != nullptr) {
                z *= load(slope + at + j);
            }
            store(out + j, z);
        }
    }
}

// What becomes of a tile. Between stretches of depth, partial sums wait in `out`.
template <class T>
static void finish(const Job<T>& job, int64_t i, int64_t row0, int64_t column0, bool first, bool last, T* tile) {
    const Affine<T>& shape = job.shape;
    const int64_t rows = least(tile_rows, shape.m - row0);
    const int64_t n = least(tile_columns<T>, shape.n - column0);
    if (!job.is_primal && n == tile_columns<T> && (job.bias.data == nullptr || job.bias.column == 1)) {
        finish_whole(job, i, row0, column0, first, last, tile);
        return;
    }
    for (int64_t r = 0; r < rows; ++r) {
        T* z = tile + r * tile_columns<T>;
        const int64_t row = row0 + r;
        T* out = job.out + (i * shape.m + row) * shape.n + column0;
        T* slope = job.slope == nullptr ? nullptr : job.slope + row * shape.n + column0;
        if (!first) {
            for (int64_t j = 0; j < n; ++j) {
                z[j] += out[j];
            }
        }
        if (last) {
            finish_row(job.bias, i, row, column0, n, job.is_primal, shape.activation, z, slope, out);
            continue;
        }
        for (int64_t j = 0; j < n; ++j) {
            out[j] = z[j];
        }
    }
}

// affine_gram.cpp: dy_i = finish(x dw_i + bias_i), or dy_i + x dw_i where there is a dx, and the Gram matrix of the
// streamed dw_i. The one term of the job is packed x.
template <class T>
void run_side_by_side(const Job<T>& job);
// Whether that is faster than `affine` and `gram`, or may be done at all.
template <class T>
bool side_by_side_pays(const Affine<T>& arguments);

}  // namespace fwdad::FWDAD_ISA
