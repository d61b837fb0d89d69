// The products x dw_i of streamed directions and their Gram matrix, each entry generated once.
//
// A product alone takes the directions one after another, and a panel of one fills the cache. Here a few rows of the
// panels of all k directions lie in the cache side by side, while their inner products and their products with x are
// formed; the sums of the latter wait in `out` from one stretch of rows to the next. A task is a panel of columns, with
// sums of its own; the tasks' sums are added in order: the bits do not depend on the number of threads.
#include <string.h>

#include "affine_job.hpp"
#include "generate.hpp"
#include "gram_blocks.hpp"
#include "multiply.hpp"
#include "projection.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int64_t most_directions =
    32;                              // more sums in `out` than the second-level cache holds would cost what is saved
constexpr int64_t least_panels = 4;  // tasks

// The k panels of one stretch: [k][stretch][tile_columns], zero right of the last column.
template <class T>
void fill_panels(const Job<T>& job, int64_t p, int64_t depth, int64_t column, int64_t stretch, T* panels) {
    constexpr int width = tile_columns<T>;
    const int64_t columns = least(width, job.shape.n - column);
    for (int64_t i = 0; i < job.count; ++i) {
        T* panel = panels + i * stretch * width;
        fill(*job.shape.dw_stream, i, p, depth, column, columns, panel, width);
        for (int64_t r = 0; r < depth && columns < width; ++r) {
            memset(panel + r * width + columns, 0, static_cast<size_t>(width - columns) * sizeof(T));
        }
    }
}

// The columns of one panel in all dy_i, and their part of the Gram matrix, added to `sums` (gram_blocks.hpp).
template <class T>
void run_column(const Job<T>& job, int64_t column, int64_t stretch, T* panels, T* placed, double* sums) {
    const Affine<T>& shape = job.shape;
    constexpr int width = tile_columns<T>;
    const bool is_sum = shape.dx.data != nullptr;  // dx_i w is in `out` already
    for (int64_t p = 0; p < shape.depth; p += stretch) {
        const int64_t depth = least(stretch, shape.depth - p);
        fill_panels(job, p, depth, column, stretch, panels);
        constexpr int64_t rows = most_entries / width;
        for (int64_t r = 0; r < depth; r += rows) {
            const auto piece = [&](int64_t i) -> const T* { return panels + (i * stretch + r) * width; };
            add_gram(job.count, least(rows, depth - r) * width, piece, placed, sums, [] {});
        }
        for (int64_t i = 0; i < job.count; ++i) {
            for (int64_t row = 0; row < shape.m; row += tile_rows) {
                Ahead<T> nothing{panels, 0, 0, 0, panels, 0, 0};  // the panels that come next are generated
                const Stretch<T> factors{job.terms[0].left_panels + row * shape.depth + p * tile_rows,
                                         panels + i * stretch * width, &nothing};
                alignas(64) T tile[tile_rows * width];
                multiply(least(width, shape.n - column), &factors, 1, depth, tile);
                finish(job, i, row, column, p == 0 && !is_sum, p + depth == shape.depth, tile);
            }
        }
    }
}

}  // namespace

template <class T>
bool side_by_side_pays(const Affine<T>& a) {
    return a.gram != nullptr && a.dw_stream->rows_per_call == 4 && a.k <= most_directions && a.m > 0 && a.depth > 0 &&
           blocks_of(a.n, tile_columns<T>) >= least_panels;
}

template <class T>
void run_side_by_side(const Job<T>& job) {
    const Affine<T>& shape = job.shape;
    constexpr int width = tile_columns<T>;
    const int64_t columns = blocks_of(shape.n, width);
    const int64_t size = sums_of(shape.k);
    const int64_t cached = (512 << 10) / (shape.k * width * static_cast<int64_t>(sizeof(T)));
    const int64_t stretch = least(shape.depth, most(8, least(longest_stretch, cached / 8 * 8)));
    const double work = static_cast<double>(shape.k) * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                        static_cast<double>(shape.depth) / lanes<T>;
    const int threads = threads_for(columns, work);
    const int64_t each = round_up(shape.k * stretch * width, 64);
    const int64_t placed_each = placed_size<T>(shape.k, most_entries);
    const Buffer<T> panels(threads * each);
    const Buffer<T> placed(threads * placed_each);
    const Buffer<double> sums(columns * size);
    memset(sums.get(), 0, static_cast<size_t>(columns * size) * sizeof(double));
    parallel_ranges(threads, columns, [&](int64_t begin, int64_t end, int t) {
        for (int64_t c = begin; c < end; ++c) {
            run_column(job, c * width, stretch, panels.get() + t * each, placed.get() + t * placed_each,
                       sums.get() + c * size);
        }
    });
    add_up(columns, size, sums.get());
    unpack(shape.k, sums.get(), shape.gram);
}

template bool side_by_side_pays(const Affine<float>&);
template bool side_by_side_pays(const Affine<double>&);
template void run_side_by_side(const Job<float>&);
template void run_side_by_side(const Job<double>&);

}  // namespace fwdad::FWDAD_ISA
