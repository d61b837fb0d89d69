// The affine JVP in three launches:
//
//     y     = x w + b                                   Product, k = 1
//     y, s  = act(y), act'(y)                           Activate (activate.cu)
//     dy_i  = s * (dx_i w + x dw_i + db_i)              Product
//
// Where x is float32 and dw_i signs, x dw_i + db_i is SignProduct (sign_product.cu), and Product adds the rest to it.
//
// Product gives each block a tile of one result. Slabs of the factors, `slab` deep, pass through shared memory in two
// buffers: while one is multiplied, the next is on its way in registers. A streamed dw is generated into the buffer
// itself and never leaves the chip. Products are summed in T, in registers, `R` rows by 4 columns a thread.
#include "activate.hpp"
#include "affine.hpp"
#include "philox.hpp"
#include "tile_part.hpp"

namespace fwdad::cuda {
namespace {

constexpr int side = 16;  // a block is side x side threads
constexpr int slab = 16;
constexpr int tile_columns = 4 * side;
template <class T>
constexpr int tall = sizeof(T) == 4 ? 8 : 4;  // rows a thread, where there are rows enough
constexpr int low = 2;

// out_i = scale * (left_0i right_0i + left_1i right_1i + bias_i); factors whose data is null are not there.
template <class T, int R>
struct Product {
    static constexpr int threads = side * side;
    static constexpr int resident = 2;
    static constexpr int tile_rows = R * side;
    static constexpr int padded_rows = tile_rows + pack_size<T>;
    struct Shared {
        alignas(16) T left[2][slab][padded_rows];
        alignas(16) T right[2][slab][tile_columns];
    };

    int64_t m, depth, n;
    int64_t row_tiles, column_tiles;
    int terms;  // 0, 1 or 2 of the following
    Matrix<T> left[2], right[2];
    Order left_order[2], right_order[2];
    Stream stream;  // right[1] where that is null
    Matrix<T> bias;
    const T* scale;  // (m, n) or null
    T* out;          // (k, m, n)
    bool packed;

    // The four generator words that a thread needs for a column's signs, as long as they last.
    struct Signs {
        int64_t block = -1;
        Words words = {};
    };

    FWDAD_DEVICE void operator()(const Block& block, Shared& shared) const {
        const int thread = block.thread();
        const Division tile = divide(block.index(), row_tiles);
        const Division panel = divide(tile.quotient, column_tiles);
        const int64_t i = panel.quotient;
        const int64_t row0 = tile.rest * tile_rows;
        const int64_t column0 = panel.rest * tile_columns;
        const int my_row = thread / side * R;
        const int my_column = thread % side * 4;

        T sum[R][4] = {};
        const int64_t slabs = blocks_of(depth, slab);
        const int64_t steps = terms * slabs;
        TilePart<T, tile_rows, slab, threads> left_part;
        TilePart<T, slab, tile_columns, threads> right_part;
        Signs signs;
        if (steps > 0) {
            fetch(0, slabs, i, row0, column0, thread, left_part, right_part);
            put(0, slabs, i, column0, thread, left_part, right_part, signs, shared);
            block.sync();
        }
        for (int64_t step = 0; step < steps; ++step) {
            const int now = static_cast<int>(step % 2);
            if (step + 1 < steps) {
                fetch(step + 1, slabs, i, row0, column0, thread, left_part, right_part);
            }
            multiply(shared.left[now], shared.right[now], my_row, my_column, sum);
            if (step + 1 < steps) {
                put(step + 1, slabs, i, column0, thread, left_part, right_part, signs, shared);
            }
            block.sync();
        }
        write(i, row0 + my_row, column0 + my_column, sum);
    }

 private:
    FWDAD_DEVICE int term_of(int64_t step, int64_t slabs) const { return step < slabs ? 0 : 1; }

    FWDAD_DEVICE void fetch(int64_t step, int64_t slabs, int64_t i, int64_t row0, int64_t column0, int thread,
                            TilePart<T, tile_rows, slab, threads>& left_part,
                            TilePart<T, slab, tile_columns, threads>& right_part) const {
        const int term = term_of(step, slabs);
        const int64_t depth0 = (step - term * slabs) * slab;
        const Matrix<T>& a = left[term];
        left_part.fetch(a.data + i * a.batch + row0 * a.row + depth0 * a.column, a.row, a.column, m - row0,
                        depth - depth0, left_order[term], thread);
        const Matrix<T>& b = right[term];
        if (b.data != nullptr) {
            right_part.fetch(b.data + i * b.batch + depth0 * b.row + column0 * b.column, b.row, b.column,
                             depth - depth0, n - column0, right_order[term], thread);
        }
    }

    FWDAD_DEVICE void put(int64_t step, int64_t slabs, int64_t i, int64_t column0, int thread,
                          const TilePart<T, tile_rows, slab, threads>& left_part,
                          const TilePart<T, slab, tile_columns, threads>& right_part, Signs& signs,
                          Shared& shared) const {
        const int term = term_of(step, slabs);
        const int buffer = static_cast<int>(step % 2);
        left_part.each(left_order[term], thread,
                       [&](int row, int deep, T value) { shared.left[buffer][deep][row] = value; });
        if (right[term].data != nullptr) {
            right_part.each(right_order[term], thread,
                            [&](int deep, int column, T value) { shared.right[buffer][deep][column] = value; });
            return;
        }
        // Below and right of the matrix this makes entries as well. They meet zeros on the left, or are not written.
        const int column = thread % tile_columns;
        const int quad = thread / tile_columns;
        const int64_t quads = (step - term * slabs) * (slab / 4) + quad;
        T values[4];
        if (stream.rows_per_call == 4) {
            make_quad(stream, i, quads, column0 + column, values);
        } else {
            if (signs.block != quads / 32) {
                signs.block = quads / 32;
                signs.words = philox(stream, i, signs.block, column0 + column);
            }
            four_signs(signs.words, static_cast<int>(quads % 32) * 4, values);
        }
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            shared.right[buffer][4 * quad + r][column] = values[r];
        }
    }

    FWDAD_DEVICE static void multiply(const T (&left_slab)[slab][padded_rows],
                                      const T (&right_slab)[slab][tile_columns], int my_row, int my_column,
                                      T (&sum)[R][4]) {
        FWDAD_UNROLL
        for (int deep = 0; deep < slab; ++deep) {
            T entry[R];
            if constexpr (R % 4 == 0) {
                FWDAD_UNROLL
                for (int r = 0; r < R; r += 4) {
                    T four[4];
                    load_four(&left_slab[deep][my_row + r], 4, true, four);
                    FWDAD_UNROLL
                    for (int l = 0; l < 4; ++l) {
                        entry[r + l] = four[l];
                    }
                }
            } else {
                FWDAD_UNROLL
                for (int r = 0; r < R; ++r) {
                    entry[r] = left_slab[deep][my_row + r];
                }
            }
            T row[4];
            load_four(&right_slab[deep][my_column], 4, true, row);
            FWDAD_UNROLL
            for (int r = 0; r < R; ++r) {
                FWDAD_UNROLL
                for (int c = 0; c < 4; ++c) {
                    sum[r][c] = multiply_add(entry[r], row[c], sum[r][c]);
                }
            }
        }
    }

    FWDAD_DEVICE void write(int64_t i, int64_t row0, int64_t column, const T (&sum)[R][4]) const {
        if (column >= n) {
            return;
        }
        FWDAD_UNROLL
        for (int r = 0; r < R; ++r) {
            const int64_t row = row0 + r;
            if (row >= m) {
                return;
            }
            T values[4];
            FWDAD_UNROLL
            for (int c = 0; c < 4; ++c) {
                values[c] = sum[r][c];
                if (bias.data != nullptr && column + c < n) {
                    values[c] += bias.data[i * bias.batch + row * bias.row + (column + c) * bias.column];
                }
            }
            if (scale != nullptr) {
                T factor[4];
                load_four(scale + row * n + column, n - column, packed, factor);
                FWDAD_UNROLL
                for (int c = 0; c < 4; ++c) {
                    values[c] *= factor[c];
                }
            }
            store_four(out + (i * m + row) * n + column, n - column, packed, values);
        }
    }
};

template <class T>
struct Term {
    Matrix<T> left, right;
};

template <class T, int R>
void multiply_by(const Launch& at, const Affine<T>& a, int64_t k, const Term<T> (&given)[2], const Matrix<T>& bias,
                 const T* scale, T* out) {
    Product<T, R> kernel{};
    kernel.m = a.m;
    kernel.depth = a.depth;
    kernel.n = a.n;
    kernel.row_tiles = blocks_of(a.m, kernel.tile_rows);
    kernel.column_tiles = blocks_of(a.n, tile_columns);
    for (const Term<T>& term : given) {
        if (term.left.data == nullptr) {
            continue;
        }
        const int t = kernel.terms++;
        const Matrix<T>& left = kernel.left[t] = term.left;
        const Matrix<T>& right = kernel.right[t] = term.right;
        kernel.left_order[t] = order_of(left.data, left.batch, left.row, left.column);
        kernel.right_order[t] = order_of(right.data, right.batch, right.row, right.column);
        if (right.data == nullptr) {
            kernel.stream = *a.dw.stream;
        }
    }
    kernel.bias = bias;
    kernel.scale = scale;
    kernel.out = out;
    kernel.packed = aligned(out) && aligned(scale) && a.n % pack_size<T> == 0;
    launch(at, kernel, k * kernel.row_tiles * kernel.column_tiles);
}

template <class T>
void multiply(const Launch& at, const Affine<T>& a, int64_t k, const Term<T> (&terms)[2], const Matrix<T>& bias,
              const T* scale, T* out) {
    a.m > low* side ? multiply_by<T, tall<T>>(at, a, k, terms, bias, scale, out)
                    : multiply_by<T, low>(at, a, k, terms, bias, scale, out);
}

}  // namespace

template <class T>
void affine(const Launch& at, const Affine<T>& a) {
    const int64_t entries = a.m * a.n;
    if (a.y != nullptr) {
        multiply(at, a, 1, {{a.x, a.w}, {}}, a.b, static_cast<const T*>(nullptr), a.y);
    }
    const bool tangents = a.dy != nullptr;
    T* slope = nullptr;
    if (a.activation != Activation::identity) {
        if (tangents) {
            slope = static_cast<T*>(at.scratch(entries * static_cast<int64_t>(sizeof(T))));
        }
        activate(at, a.activation, entries, a.y, a.y, slope);
    }
    if (tangents) {
        const bool dw = a.dw.array.data != nullptr || a.dw.stream != nullptr;
        const Term<T> along_x{a.dx, a.w};
        const Term<T> along_w{dw ? a.x : Matrix<T>{}, a.dw.array};
        if constexpr (std::is_same_v<T, float>) {
            if (a.dw.stream != nullptr && a.dw.stream->rows_per_call == 128) {
                const bool more = a.dx.data != nullptr;
                sign_product(at, a, more ? nullptr : slope);
                if (more) {  // a thread of Product reads what it is to add to, and writes it there
                    multiply(at, a, a.k, {along_x, {}}, Matrix<T>{a.dy, a.k, a.m, a.n, entries, a.n, 1},
                             static_cast<const T*>(slope), a.dy);
                }
                return;
            }
        }
        multiply(at, a, a.k, {along_x, along_w}, a.db, static_cast<const T*>(slope), a.dy);
    }
}

template decltype(affine<float>) affine<float>;
template decltype(affine<double>) affine<double>;

}  // namespace fwdad::cuda
