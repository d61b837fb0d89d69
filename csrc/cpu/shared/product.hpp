// What the affine JVP and the convolution's share: each computes sums of products, tile by tile, first of the primal
// and then of the tangents, and then adds biases and applies the activation or its slope.
#pragma once

#include "activate.hpp"
#include "affine_arguments.hpp"
#include "run.hpp"
#include "tile.hpp"

namespace fwdad::FWDAD_ISA {

// One product of the sum: left_i (m, depth) times right_i (depth, n). A convolution's left factor is the images, a row
// an image.
template <class T>
struct Term {
    Matrix<T> left;
    const T* left_panels;  // the same for all i, packed already; or null: each thread packs left_i when it comes to it
    Directions<T> right;
    const T* right_panels;  // the same for all i, packed already; or null: each thread packs, or generates, a panel
};

// out_i = sum of terms + bias_i, for i < count; then the activation, or a product with its slope.
template <class T>
struct Job {
    int64_t m, depth, n;
    int64_t count;
    Term<T> terms[2];
    int term_count;
    Matrix<T> bias;
    Activation activation;
    T* out;    // (count, m, n)
    T* slope;  // (m, n), act'(x w + b): written by the primal job (null: not wanted), read by the tangents' job
    bool is_primal;
    bool adds;  // to what is in `out`
};

// Where a tile's results are: of out_i, rows row0, row0 + row_step, ..., and columns from column0 on.
struct TileAt {
    int64_t i;
    int64_t row0, row_step, rows;
    int64_t column0;
};

// A whole tile of a tangent whose bias has contiguous rows, which is the usual case: all in registers.
template <class T>
static void finish_in_registers(const Job<T>& job, const TileAt& at, bool adds, bool last, const T* tile) {
    const T* const bias = last ? job.bias.data : nullptr;
    const T* const slope = last ? job.slope : nullptr;
    for (int64_t r = 0; r < at.rows; ++r) {
        const int64_t row = at.row0 + r * at.row_step;
        const int64_t entry = row * job.n + at.column0;
        T* const out = job.out + at.i * job.m * job.n + entry;
#pragma GCC unroll 4
        for (int64_t j = 0; j < tile_columns<T>; j += lanes<T>) {
            Vector<T> z = load(tile + r * tile_columns<T> + j);
            if (adds) {
                z += load(out + j);
            }
            if (bias != nullptr) {
                z += load(bias + at.i * job.bias.batch + row * job.bias.row + at.column0 + j);
            }
            if (slope != nullptr) {
                z *= load(slope + entry + j);
            }
            store(out + j, z);
        }
    }
}

// Writes a tile of sums. Those of a part of `depth` alone wait in `out`: `adds` says that there are others already,
// `last` that the sum is whole.
template <class T>
static void finish(const Job<T>& job, const TileAt& at, bool adds, bool last, T* tile) {
    const int64_t n = min(tile_columns<T>, job.n - at.column0);
    if (!job.is_primal && n == tile_columns<T> && (job.bias.data == nullptr || job.bias.column == 1)) {
        finish_in_registers(job, at, adds, last, tile);
        return;
    }
    for (int64_t r = 0; r < at.rows; ++r) {
        T* const z = tile + r * tile_columns<T>;
        const int64_t row = at.row0 + r * at.row_step;
        const int64_t entry = row * job.n + at.column0;
        T* const out = job.out + at.i * job.m * job.n + entry;
        T* const slope = last && job.slope != nullptr ? job.slope + entry : nullptr;
        for (int64_t j = 0; j < n && adds; ++j) {
            z[j] += out[j];
        }
        if (last && job.bias.data != nullptr) {
            add_row(job.bias, at.i, row, at.column0, n, z);
        }
        if (last && job.is_primal) {
            activate(job.activation, n, z, out, slope);
            continue;
        }
        for (int64_t j = 0; j < n; ++j) {
            out[j] = slope == nullptr ? z[j] : slope[j] * z[j];
        }
    }
}

// A task is a tile's worth of rows and a panel of columns of one out_i, ordered by (i, panel, rows); tasks that share a
// panel stay together where that leaves work for all threads.
struct Schedule {
    int64_t tasks, grain;
    int threads;
};
template <class T>
static Schedule schedule_of(const Job<T>& job, int64_t tasks_of_panel) {
    const int64_t tasks = job.count * tasks_of_panel * blocks_of(job.n, tile_columns<T>);
    const double work = static_cast<double>(job.count) * static_cast<double>(job.m) * static_cast<double>(job.n) *
                        (static_cast<double>(job.depth) * job.term_count + 8) / lanes<T>;
    const int threads = threads_for(tasks, work);
    return {tasks, tasks >= 4 * threads * tasks_of_panel ? tasks_of_panel : 1, threads};
}

// Calls run(job) for the primal, and then for the tangents. `x_panels`, `w_panels`, `dw_panels`: factors that are
// packed already, or null.
template <class T, class Run>
static void run_jvp(const Affine<T>& a, const T* x_panels, const T* w_panels, const T* dw_panels, const Run& run) {
    const bool tangents = a.dy != nullptr && a.k > 0;
    const bool sloped = tangents && a.activation != Activation::identity;
    const Buffer<T> memory(sloped ? a.m * a.n : 0);
    T* const slope = sloped ? memory.get() : nullptr;
    const Directions<T> w{a.w, nullptr};
    if (a.y != nullptr) {
        run(Job<T>{
            a.m, a.depth, a.n, 1, {{a.x, x_panels, w, w_panels}, {}}, 1, a.b, a.activation, a.y, slope, true, false});
    }
    if (tangents) {
        Job<T> job{a.m, a.depth, a.n, a.k, {}, 0, a.db, a.activation, a.dy, slope, false, false};
        if (a.dx.data != nullptr) {
            job.terms[job.term_count++] = {a.dx, nullptr, w, w_panels};
        }
        if (a.dw.array.data != nullptr || a.dw.stream != nullptr) {
            job.terms[job.term_count++] = {a.x, x_panels, a.dw, dw_panels};
        }
        run(job);
    }
}

}  // namespace fwdad::FWDAD_ISA
