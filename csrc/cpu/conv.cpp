// conv: y = act(patches(x) w + b) and dy_i = act'(z) (patches(dx_i) w + patches(x) dw_i + db_i), with no patches made.
//
// A tile is tile_rows images at one position of the output, times tile_columns outputs. At one position all images see
// the same taps of the kernel, and a tap that sees padding is left out for the whole tile: padding costs nothing, where
// a product of patches multiplies its zeros (on an image of 2 x 2, five ninths of a 3 x 3 kernel). Channels come last,
// so the taps of a kernel row are one stretch of memory in each image (unless dilated) and in the panel of w: the inner
// loop reads each image where it lies. w is packed into panels of tile_columns columns,
// [panel][tap][channel][tile_columns]; dw_i is packed, or generated, by each thread, a panel at a time.
// A task is a group of tile_rows images, one panel and one tangent, ordered by (tangent, panel, group). Each tile is
// computed in the same order of operations whoever owns it: the bits do not depend on the number of threads.
#include "conv.hpp"

#include "activation.hpp"
#include "generate.hpp"
#include "run.hpp"
#include "simd.hpp"
#include "tile.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// What a tile reads in one go: `depth` entries from `left` on in each image, and `depth` rows of a panel from `right`
// on.
struct Segment {
    int64_t left;
    int64_t right;
    int64_t depth;
};

// One product of the sum: x_i (images, height, width, channels) times w_i (depth, n).
template <class T>
struct Term {
    const T* images;
    int64_t batch;    // from x_i to x_(i+1); 0: the same for all i
    const T* panels;  // of w, packed already; or null: each thread packs, or generates, a panel of w_i
    Matrix<T> w;
    const Stream* stream;
};

// out_i = finish(sum of terms + bias_i), for i < count.
template <class T>
struct Job {
    const Conv<T>& shape;
    int64_t count;
    Term<T> terms[2];
    int term_count;
    Matrix<T> bias;
    T* out;    // (count, images, rows, columns, n)
    T* slope;  // (images, rows, columns, n): written by the primal job (null: not wanted), read by the tangents' job
    bool is_primal;
};

// out [depth][tile_columns] = w_i (depth, column ...), with zeros right of the last column.
template <class T>
void pack_panel(const Matrix<T>& w, int64_t i, int64_t depth, int64_t column, int64_t columns, T* out) {
    constexpr int width = tile_columns<T>;
    const T* from = w.data + i * w.batch + column * w.column;
    for (int64_t p = 0; p < depth; ++p, from += w.row, out += width) {
        for (int64_t j = 0; j < width; ++j) {
            out[j] = j < columns ? from[j * w.column] : 0;
        }
    }
}

// The taps first .. last - 1 of an axis that see the image, for an output at `place`.
FWDAD_INLINE void seen_taps(int64_t place, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                            int64_t dilation, int64_t* first, int64_t* last) {
    const int64_t start = place * stride - padding;
    *first = start >= 0 ? 0 : blocks_of(-start, dilation);
    *last = start >= size ? 0 : least(kernel, blocks_of(size - start, dilation));
}

// The segments of the tiles at one position; returns how many.
template <class T>
int64_t segments_at(const Conv<T>& shape, int64_t row, int64_t column, Segment* segments) {
    int64_t i0, i1, j0, j1;
    seen_taps(row, shape.height, shape.kernel[0], shape.stride[0], shape.padding[0], shape.dilation[0], &i0, &i1);
    seen_taps(column, shape.width, shape.kernel[1], shape.stride[1], shape.padding[1], shape.dilation[1], &j0, &j1);
    const int64_t channels = shape.channels;
    const int64_t step = shape.dilation[1] == 1 ? j1 - j0 : 1;  // taps that are one stretch of memory
    int64_t count = 0;
    for (int64_t i = i0; i < i1; ++i) {
        const int64_t y = row * shape.stride[0] - shape.padding[0] + i * shape.dilation[0];
        for (int64_t j = j0; j < j1; j += step) {
            const int64_t x = column * shape.stride[1] - shape.padding[1] + j * shape.dilation[1];
            segments[count++] = {(y * shape.width + x) * channels, (i * shape.kernel[1] + j) * channels,
                                 step * channels};
        }
    }
    return count;
}

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
                add_row<Vectors>(right, [&](int r) { return left[r][p]; }, sum);
            }
        }
    }
    store_tile<Vectors>(sum, tile);
}

template <class T>
void multiply(int64_t columns, const Product<T>* products, int product_count, const Segment* segments, int64_t count,
              T* tile) {
    if (columns <= lanes<T>) {
        multiply<1>(products, product_count, segments, count, tile);
    } else if (tile_vectors == 2 || columns > 2 * lanes<T>) {
        multiply<tile_vectors>(products, product_count, segments, count, tile);
    } else {
        multiply<2>(products, product_count, segments, count, tile);
    }
}

// What becomes of a tile: images image0 .. at one position.
template <class T>
void finish(const Job<T>& job, int64_t i, int64_t image0, int64_t position, int64_t column0, T* tile) {
    const Conv<T>& shape = job.shape;
    const int64_t positions = shape.rows * shape.columns;
    const int64_t images = least(tile_rows, shape.images - image0);
    const int64_t n = least(tile_columns<T>, shape.n - column0);
    for (int64_t r = 0; r < images; ++r) {
        T* z = tile + r * tile_columns<T>;
        const int64_t row = (image0 + r) * positions + position;
        T* out = job.out + (i * shape.images * positions + row) * shape.n + column0;
        T* slope = job.slope == nullptr ? nullptr : job.slope + row * shape.n + column0;
        finish_row(job.bias, i, row, column0, n, job.is_primal, shape.activation, z, slope, out);
    }
}

// Tasks begin .. end - 1; `panels`: room for a panel of each term, of this thread's own.
template <class T>
void run_tasks(const Job<T>& job, int64_t begin, int64_t end, T* const* panels, Segment* segments) {
    const Conv<T>& shape = job.shape;
    constexpr int width = tile_columns<T>;
    const int64_t depth = shape.kernel[0] * shape.kernel[1] * shape.channels;
    const int64_t image_size = shape.height * shape.width * shape.channels;
    const int64_t groups = blocks_of(shape.images, tile_rows);
    const int64_t column_panels = blocks_of(shape.n, width);
    int64_t packed = -1;  // which (tangent, panel) is in `panels`
    for (int64_t t = begin; t < end; ++t) {
        const int64_t i = t / (groups * column_panels);
        const int64_t column = t / groups % column_panels * width;
        const int64_t columns = least(width, shape.n - column);
        const int64_t image0 = t % groups * tile_rows;
        Product<T> products[2];
        for (int s = 0; s < job.term_count; ++s) {
            const Term<T>& term = job.terms[s];
            for (int r = 0; r < tile_rows; ++r) {  // below the last image, the last once more
                const int64_t image = least(image0 + r, shape.images - 1);
                products[s].images[r] = term.images + i * term.batch + image * image_size;
            }
            products[s].panel = term.panels == nullptr ? panels[s] : term.panels + column * depth;
            if (term.panels == nullptr && t / groups != packed) {
                if (term.stream != nullptr) {
                    fill(*term.stream, i, 0, depth, column, least(width, round_up(columns, lanes<float>)), panels[s],
                         width);
                } else {
                    pack_panel(term.w, i, depth, column, columns, panels[s]);
                }
            }
        }
        packed = t / groups;
        for (int64_t position = 0; position < shape.rows * shape.columns; ++position) {
            const int64_t count = segments_at(shape, position / shape.columns, position % shape.columns, segments);
            alignas(64) T tile[tile_rows * width];
            multiply(columns, products, job.term_count, segments, count, tile);
            finish(job, i, image0, position, column, tile);
        }
    }
}

template <class T>
void run(const Job<T>& job) {
    const Conv<T>& shape = job.shape;
    const int64_t taps = shape.kernel[0] * shape.kernel[1];
    const int64_t depth = taps * shape.channels;
    const int64_t groups = blocks_of(shape.images, tile_rows);
    const int64_t tasks = job.count * groups * blocks_of(shape.n, tile_columns<T>);
    const double work = static_cast<double>(job.count) * static_cast<double>(shape.images * shape.rows) *
                        static_cast<double>(shape.columns * shape.n) *
                        (static_cast<double>(depth) * job.term_count + 8) / lanes<T>;
    const int threads = threads_for(tasks, work);
    const int64_t panel = round_up(depth * tile_columns<T>, 64);
    int own_panels = 0;
    for (int s = 0; s < job.term_count; ++s) {
        own_panels |= job.terms[s].panels == nullptr;
    }
    const Buffer<T> memory(own_panels * threads * 2 * panel);
    const Buffer<Segment> segments(threads * taps);
    // The groups of a panel share it: they stay together where that leaves work for all threads.
    const int64_t grain = tasks >= 4 * threads * groups ? groups : 1;
    parallel_ranges(
        threads, tasks,
        [&](int64_t begin, int64_t end, int t) {
            T* own = memory.get() + own_panels * t * 2 * panel;
            T* const panels[2] = {own, own + own_panels * panel};
            run_tasks(job, begin, end, panels, segments.get() + t * taps);
        },
        grain);
}

}  // namespace

template <class T>
void conv(const Conv<T>& a) {
    if (a.images * a.rows * a.columns * a.n == 0) {
        return;
    }
    const int64_t depth = a.kernel[0] * a.kernel[1] * a.channels;
    const int64_t column_panels = blocks_of(a.n, tile_columns<T>);
    const Buffer<T> w_panels(column_panels * tile_columns<T> * depth);
    const double entries = static_cast<double>(depth) * static_cast<double>(a.n);
    parallel_ranges(threads_for(column_panels, entries), column_panels, [&](int64_t begin, int64_t end, int) {
        for (int64_t panel = begin; panel < end; ++panel) {
            const int64_t column = panel * tile_columns<T>;
            pack_panel(a.w, 0, depth, column, least(tile_columns<T>, a.n - column), w_panels.get() + column * depth);
        }
    });

    const bool tangents = a.dy != nullptr && a.k > 0;
    const bool sloped = tangents && a.activation != Activation::identity;
    const Buffer<T> slope(sloped ? a.images * a.rows * a.columns * a.n : 0);
    T* const slopes = sloped ? slope.get() : nullptr;
    const Term<T> x_w{a.x, 0, w_panels.get(), a.w, nullptr};
    run(Job<T>{a, 1, {x_w, {}}, 1, a.b, a.y, slopes, true});

    if (tangents) {
        Job<T> job{a, a.k, {}, 0, a.db, a.dy, slopes, false};
        if (a.dx != nullptr) {
            job.terms[job.term_count++] =
                Term<T>{a.dx, a.images * a.height * a.width * a.channels, w_panels.get(), a.w, nullptr};
        }
        if (a.dw.data != nullptr || a.dw_stream != nullptr) {
            job.terms[job.term_count++] = Term<T>{a.x, 0, nullptr, a.dw, a.dw_stream};
        }
        run(job);
    }
}

template void conv(const Conv<float>&);
template void conv(const Conv<double>&);

}  // namespace fwdad::FWDAD_ISA
