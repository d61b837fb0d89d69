// No patches are made: each tile reads the images where they lie.
//
// A tile is tile_rows images at one position of the output, times tile_columns outputs. At one position all images see
// the same taps of the kernel, and a tap that sees padding is left out for the whole tile: padding costs nothing, where
// a product of patches multiplies its zeros (on an image of 2 x 2, five ninths of a 3 x 3 kernel). Channels come last,
// so the taps of a kernel row are one stretch of memory in each image (unless dilated) and in the panel of w, and the
// inner loop runs along both. w is packed into panels of tile_columns columns, [panel][tap][channel][tile_columns];
// dw_i is packed, or generated, by each thread, a panel at a time. A task is a group of tile_rows images, one panel and
// one tangent. Each tile is computed in the same order of operations whoever owns it: the bits do not depend on the
// number of threads.
#include "shared/fill.hpp"
#include "shared/pack.hpp"
#include "shared/product.hpp"
#include "shared/taps.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

template <class T>
struct Product {
    const T* images[tile_rows];  // where each image of the tile begins
    const T* panel;              // [depth][tile_columns]
};

// tile [tile_rows][tile_columns] = sum over products and segments; only the first `Vectors` registers of a row.
template <int Vectors, class T>
void multiply(const Product<T>* products, int product_count, const Segment* segments, int64_t count, T* tile) {
    constexpr int width = tile_columns<T>;
    Vector<T> sum[tile_rows][Vectors] = {};
    for (int s = 0; s < product_count; ++s) {
        for (int64_t g = 0; g < count; ++g) {
            const Segment segment = segments[g];
            const T* left[tile_rows];
#pragma GCC unroll 8
            for (int r = 0; r < tile_rows; ++r) {
                left[r] = products[s].images[r] + segment.left;
            }
            const T* right = products[s].panel + segment.right * width;
            for (int64_t p = 0; p < segment.depth; ++p, right += width) {
                add_outer<Vectors>(right, [&](int r) { return left[r][p]; }, sum);
            }
        }
    }
    store_tile<Vectors>(sum, tile);
}

// Tasks begin .. end - 1; `panels`: room for a panel of each term, of this thread's own.
template <class T>
void run_tasks(const Job<T>& job, const Images& shape, int64_t begin, int64_t end, T* const* panels,
               Segment* segments) {
    constexpr int width = tile_columns<T>;
    const int64_t positions = shape.rows * shape.columns;
    const int64_t groups = blocks_of(shape.count, tile_rows);
    const int64_t column_panels = blocks_of(job.n, width);
    int64_t packed = -1;  // which (tangent, panel) is in `panels`
    for (int64_t t = begin; t < end; ++t) {
        const int64_t i = t / (groups * column_panels);
        const int64_t column = t / groups % column_panels * width;
        const int64_t columns = min(width, job.n - column);
        const int64_t image0 = t % groups * tile_rows;
        Product<T> products[2];
        for (int s = 0; s < job.term_count; ++s) {
            const Term<T>& term = job.terms[s];
            for (int r = 0; r < tile_rows; ++r) {  // below the last image, the last once more
                const int64_t image = min(image0 + r, shape.count - 1);
                products[s].images[r] = term.left.data + i * term.left.batch + image * term.left.row;
            }
            products[s].panel = term.right_panels == nullptr ? panels[s] : term.right_panels + column * job.depth;
            if (term.right_panels == nullptr && t / groups != packed) {
                if (term.right.stream != nullptr) {
                    fill(*term.right.stream, i, 0, job.depth, column, min(width, round_up(columns, lanes<float>)),
                         panels[s], width);
                } else {
                    const Matrix<T>& w = term.right.array;
                    pack_right(w.data + i * w.batch + column * w.column, w.row, w.column, job.depth, columns,
                               panels[s]);
                }
            }
        }
        packed = t / groups;
        for (int64_t position = 0; position < positions; ++position) {
            const int64_t count = segments_at(shape, position / shape.columns, position % shape.columns, segments);
            alignas(64) T tile[tile_rows * width];
            by_registers<T>(columns, [&](auto registers_of_row) {
                multiply<registers_of_row.count>(products, job.term_count, segments, count, tile);
            });
            const TileAt at{i, image0 * positions + position, positions, min(tile_rows, shape.count - image0), column};
            finish(job, at, false, true, tile);
        }
    }
}

template <class T>
void run(const Job<T>& job, const Images& shape) {
    const int64_t taps = shape.window.kernel[0] * shape.window.kernel[1];
    const Schedule schedule = schedule_of(job, blocks_of(shape.count, tile_rows));
    const int64_t panel = round_up(job.depth * tile_columns<T>, 64);
    int own_panels = 0;
    for (int s = 0; s < job.term_count; ++s) {
        own_panels |= job.terms[s].right_panels == nullptr;
    }
    const Buffer<T> memory(own_panels * schedule.threads * 2 * panel);
    const Buffer<Segment> segments(schedule.threads * taps);
    parallel_ranges(
        schedule.threads, schedule.tasks,
        [&](int64_t begin, int64_t end, int t) {
            T* own = memory.get() + own_panels * t * 2 * panel;
            T* const panels[2] = {own, own + own_panels * panel};
            run_tasks(job, shape, begin, end, panels, segments.get() + t * taps);
        },
        schedule.grain);
}

}  // namespace

template <class T>
void conv_jvp(In<T, 4> x, Matrix<T> w, Matrix<T> b, In<T, 5> dx, Directions<T> dw, Matrix<T> db, const Window& window,
              Activation activation, Out<T, 4> y, Out<T, 5> dy) {
    const Images shape{x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1], y.shape[2], window};
    const int64_t m = shape.count * shape.rows * shape.columns;
    const int64_t n = w.columns;
    if (m * n == 0) {
        return;
    }
    const int64_t depth = w.rows;
    const Buffer<T> w_panels(round_up(n, tile_columns<T>) * depth);
    const int64_t column_panels = blocks_of(n, tile_columns<T>);
    const double entries = static_cast<double>(depth) * static_cast<double>(n);
    parallel_ranges(threads_for(column_panels, entries), column_panels, [&](int64_t begin, int64_t end, int) {
        for (int64_t panel = begin; panel < end; ++panel) {
            const int64_t column = panel * tile_columns<T>;
            pack_right(w.data + column * w.column, w.row, w.column, depth, min(tile_columns<T>, n - column),
                       w_panels.get() + column * depth);
        }
    });

    const int64_t k = dy.data == nullptr ? 0 : dy.shape[0];
    const int64_t size = shape.height * shape.width * shape.channels;  // an image is a row
    const Matrix<T> images{x.data, 1, shape.count, size, 0, size, 1};
    const Matrix<T> moving{dx.data, k, shape.count, size, shape.count * size, size, 1};
    run_jvp(Affine<T>{m, depth, n, k, images, w, b, moving, dw, db, activation, y.data, dy.data},
            static_cast<const T*>(nullptr), static_cast<const T*>(w_panels.get()), static_cast<const T*>(nullptr),
            [&](const Job<T>& job) { run(job, shape); });
}

template decltype(conv_jvp<float>) conv_jvp<float>;
template decltype(conv_jvp<double>) conv_jvp<double>;

}  // namespace fwdad::FWDAD_ISA
