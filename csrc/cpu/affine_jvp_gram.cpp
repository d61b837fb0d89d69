// Where the problem allows it, each entry of the directions is generated once for the product and the Gram matrix.
//
// A product alone takes the directions one after another, and a panel of one fills the cache. Here the cache holds a
// few rows of the panels of all k directions, while their inner products and their products with x are formed; the sums
// of the latter wait in `out` from one stretch of rows to the next. A task is a panel of columns, with sums of its own;
// the tasks' sums are added in order: the bits do not depend on the number of threads.
#include <string.h>

#include "shared/affine.hpp"
#include "shared/fill.hpp"
#include "shared/gram_blocks.hpp"
#include "shared/multiply.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void gram(Directions<T> v, bool exact, Out<double, 3> g);

namespace {

// Of more directions, the sums that wait in `out` leave the second-level cache, which costs what is saved.
constexpr int64_t most_directions = 32;
constexpr int64_t least_tasks = 4;

// The k panels of one stretch: [k][stretch][tile_columns], zero right of the last column.
template <class T>
void fill_panels(const Job<T>& job, int64_t p, int64_t depth, int64_t column, int64_t stretch, T* panels) {
    constexpr int width = tile_columns<T>;
    const int64_t columns = min(width, job.n - column);
    for (int64_t i = 0; i < job.count; ++i) {
        T* panel = panels + i * stretch * width;
        fill(*job.terms[0].right.stream, i, p, depth, column, columns, panel, width);
        for (int64_t r = 0; r < depth && columns < width; ++r) {
            memset(panel + r * width + columns, 0, static_cast<size_t>(width - columns) * sizeof(T));
        }
    }
}

// The columns of one panel in all dy_i, and their part of the Gram matrix, added to `sums` (gram_blocks.hpp).
template <class T>
void run_column(const Job<T>& job, int64_t column, int64_t stretch, T* panels, T* packed, double* sums) {
    constexpr int width = tile_columns<T>;
    for (int64_t p = 0; p < job.depth; p += stretch) {
        const int64_t depth = min(stretch, job.depth - p);
        fill_panels(job, p, depth, column, stretch, panels);
        constexpr int64_t rows = most_entries / width;
        for (int64_t r = 0; r < depth; r += rows) {
            const auto rows_of_panel = [&](int64_t i) -> const T* { return panels + (i * stretch + r) * width; };
            add_gram(job.count, min(rows, depth - r) * width, rows_of_panel, packed, sums, [] {});
        }
        for (int64_t i = 0; i < job.count; ++i) {
            for (int64_t row = 0; row < job.m; row += tile_rows) {
                NextPanels<T> nothing{panels, 0, 0, 0, panels, 0, 0};  // the panels that come next are generated
                const Stretch<T> factors{job.terms[0].left_panels + row * job.depth + p * tile_rows,
                                         panels + i * stretch * width, &nothing};
                alignas(64) T tile[tile_rows * width];
                multiply(min(width, job.n - column), &factors, 1, depth, tile);
                const TileAt at{i, row, 1, min(tile_rows, job.m - row), column};
                finish(job, at, job.adds || p != 0, p + depth == job.depth, tile);
            }
        }
    }
}

// The products of packed x with the streamed dw_i, the one term of the job, and the Gram matrix.
template <class T>
void multiply_and_form_gram(const Job<T>& job, double* g) {
    constexpr int width = tile_columns<T>;
    const int64_t k = job.count;
    const int64_t columns = blocks_of(job.n, width);
    const int64_t size = sums_of(k);
    const int64_t cached = (512 << 10) / (k * width * static_cast<int64_t>(sizeof(T)));
    const int64_t stretch = min(job.depth, max(8, min(longest_stretch, cached / 8 * 8)));
    const double work = static_cast<double>(k) * static_cast<double>(job.m) * static_cast<double>(job.n) *
                        static_cast<double>(job.depth) / lanes<T>;
    const int threads = threads_for(columns, work);
    const int64_t each = round_up(k * stretch * width, 64);
    const int64_t packed_each = packed_size<T>(k, most_entries);
    const Buffer<T> panels(threads * each);
    const Buffer<T> packed(threads * packed_each);
    const Buffer<double> sums(columns * size);
    memset(sums.get(), 0, static_cast<size_t>(columns * size) * sizeof(double));
    parallel_ranges(threads, columns, [&](int64_t begin, int64_t end, int t) {
        for (int64_t c = begin; c < end; ++c) {
            run_column(job, c * width, stretch, panels.get() + t * each, packed.get() + t * packed_each,
                       sums.get() + c * size);
        }
    });
    add_up(columns, size, sums.get());
    unpack(k, sums.get(), g);
}

}  // namespace

template <class T>
void affine_jvp_gram(Matrix<T> x, Matrix<T> w, Matrix<T> b, Matrix<T> dx, const Stream& dw, Matrix<T> db,
                     Activation activation, Out<T, 2> y, Out<T, 3> dy, Out<double, 2> g) {
    const Affine<T> a = affine_layer(x, w, b, dx, {{}, &dw}, db, activation, y, dy);
    if (dw.rows_per_call == 4 && a.k > 0 && a.k <= most_directions && a.m > 0 && a.depth > 0 &&
        blocks_of(a.n, tile_columns<T>) >= least_tasks) {
        affine<T>(a, multiply_and_form_gram<T>, g.data);
        return;
    }
    gram<T>({{}, &dw}, false, {g.data, {-1, a.k, a.k}});
    affine(a);
}

template decltype(affine_jvp_gram<float>) affine_jvp_gram<float>;
template decltype(affine_jvp_gram<double>) affine_jvp_gram<double>;

}  // namespace fwdad::FWDAD_ISA
