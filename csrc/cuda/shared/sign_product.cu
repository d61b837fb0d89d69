// SignProduct: out_i = scale * (x dw_i + bias_i) for streams of signs dw_i and float32 x, by the matrix units.
//
// A sign is exact in bfloat16, and so is each of three parts that x is cut into, eight bits of its mantissa at a time:
// x = x0 + x1 + x2. The products of the parts with the signs are exact as well; what is rounded are sums. A matrix unit
// adds in float32 at least, and may cut off where a processor rounds; so it adds 128 products of each part only, whose
// sum is rounded into the total. docs/cuda.md has the bound of the error.
//
// A block makes a tile of one direction's result by eight warps, 32 x 32 each. Slabs of x, cut into parts, pass through
// shared memory in two buffers, as in Product; of the signs only the generator's words do, one call for 128 rows of a
// column: a thread makes what it hands to the unit of their bits.
#include "affine.hpp"
#include "philox.hpp"
#include "tile_part.hpp"

namespace fwdad::cuda {
namespace {

constexpr int slab = 16;
constexpr int slabs_of_words = 128 / slab;
constexpr int parts = 3;
constexpr int side = 32;  // of a warp's tile
constexpr int row_units = side / 16, column_units = side / 8;

FWDAD_DEVICE void split(float x, uint16_t (&part)[parts]) {
    FWDAD_UNROLL
    for (int p = 0; p < parts; ++p) {
        const uint32_t bits = bits_of(x);
        part[p] = static_cast<uint16_t>(bits >> 16);
        const float high = float_of(bits & 0xFFFF0000u);
        x = x == high ? 0.0f : x - high;  // equal: infinity, of which nothing is left
    }
}

// Two signs in bfloat16, of the two lowest bits.
FWDAD_DEVICE uint32_t two_signs(uint32_t bits) { return 0x3F803F80u | (bits & 1u) << 15 | (bits & 2u) << 30; }

template <int RowWarps>
struct SignProduct {
    static constexpr int threads = 256;
    static constexpr int resident = 2;
    static constexpr int tile_rows = side * RowWarps;
    static constexpr int tile_columns = side * (threads / warp / RowWarps);
    static constexpr int padded_rows = tile_rows + 8;  // four rows of pairs by eight entries: each in its own bank
    struct Shared {
        alignas(16) uint16_t left[2][parts][slab / 2][padded_rows][2];  // pairs are neighbours in x's row
        alignas(16) Words words[2][tile_columns];
    };
    using Sums = float[row_units][column_units][4];
    using TilePart = cuda::TilePart<float, tile_rows, slab, threads>;

    int64_t m, depth, n;
    int64_t row_tiles, column_tiles;
    Matrix<float> x;
    Order order;
    Stream stream;
    Matrix<float> bias;
    const float* scale;  // (m, n) or null
    float* out;          // (k, m, n)

    FWDAD_DEVICE void operator()(const Block& block, Shared& shared) const {
        const int thread = block.thread();
        const Division tile = divide(block.index(), row_tiles);
        const Division panel = divide(tile.quotient, column_tiles);
        const int64_t i = panel.quotient;
        const int64_t row0 = tile.rest * tile_rows;
        const int64_t column0 = panel.rest * tile_columns;
        const int my_row = thread / warp % RowWarps * side;
        const int my_column = thread / warp / RowWarps * side;

        Sums sum = {};
        Sums sum_of_words = {};
        const int64_t slabs = blocks_of(depth, slab);
        TilePart own_part;
        if (slabs > 0) {
            fetch(0, row0, thread, own_part);
            put(0, i, column0, thread, own_part, shared);
            block.sync();
        }
        for (int64_t step = 0; step < slabs; ++step) {
            if (step + 1 < slabs) {
                fetch(step + 1, row0, thread, own_part);
            }
            multiply(block, shared, step, my_row, my_column, sum_of_words);
            if ((step + 1) % slabs_of_words == 0 || step + 1 == slabs) {
                add(sum_of_words, sum);
            }
            if (step + 1 < slabs) {
                put(step + 1, i, column0, thread, own_part, shared);
            }
            block.sync();
        }
        write(i, row0 + my_row, column0 + my_column, thread % warp, sum);
    }

 private:
    FWDAD_DEVICE void fetch(int64_t step, int64_t row0, int thread, TilePart& own_part) const {
        const int64_t depth0 = step * slab;
        own_part.fetch(x.data + row0 * x.row + depth0 * x.column, x.row, x.column, m - row0, depth - depth0, order,
                       thread);
    }

    FWDAD_DEVICE void put(int64_t step, int64_t i, int64_t column0, int thread, const TilePart& own_part,
                          Shared& shared) const {
        own_part.each(order, thread, [&](int row, int deep, float value) {
            uint16_t part[parts];
            split(value, part);
            FWDAD_UNROLL
            for (int p = 0; p < parts; ++p) {
                shared.left[step % 2][p][deep / 2][row][deep % 2] = part[p];
            }
        });
        // Below and right of the matrix this makes signs as well. They meet zeros on the left, or are not written.
        const int64_t block_of_words = step / slabs_of_words;
        if (step % slabs_of_words == 0 && thread < tile_columns) {
            shared.words[block_of_words % 2][thread] = philox(stream, i, block_of_words, column0 + thread);
        }
    }

    FWDAD_DEVICE static void multiply(const Block& block, const Shared& shared, int64_t step, int my_row, int my_column,
                                      Sums& sum) {
        const int lane = block.thread() % warp;
        const int group = lane / 4, place = lane % 4;
        const int first = static_cast<int>(step % slabs_of_words) * slab;
        uint32_t signs[column_units][2];
        FWDAD_UNROLL
        for (int c = 0; c < column_units; ++c) {
            const Words& words = shared.words[step / slabs_of_words % 2][my_column + 8 * c + group];
            const uint32_t bits = words.word[first / 32] >> (first % 32 + 2 * place);
            signs[c][0] = two_signs(bits);
            signs[c][1] = two_signs(bits >> 8);
        }
        FWDAD_UNROLL
        for (int p = parts - 1; p >= 0; --p) {  // the smallest first
            uint32_t entries[row_units][4];
            FWDAD_UNROLL
            for (int r = 0; r < row_units; ++r) {
                FWDAD_UNROLL
                for (int q = 0; q < 4; ++q) {
                    const int row = my_row + 16 * r + 8 * (q % 2) + group;
                    const int pair = 4 * (q / 2) + place;
                    entries[r][q] = *reinterpret_cast<const uint32_t*>(shared.left[step % 2][p][pair][row]);
                }
            }
            block.multiply_add(entries, signs, sum);
        }
    }

    FWDAD_DEVICE static void add(Sums& from, Sums& to) {
        FWDAD_UNROLL
        for (int r = 0; r < row_units; ++r) {
            FWDAD_UNROLL
            for (int c = 0; c < column_units; ++c) {
                FWDAD_UNROLL
                for (int q = 0; q < 4; ++q) {
                    to[r][c][q] += from[r][c][q];
                    from[r][c][q] = 0.0f;
                }
            }
        }
    }

    FWDAD_DEVICE void write(int64_t i, int64_t row0, int64_t column0, int lane, const Sums& sum) const {
        FWDAD_UNROLL
        for (int r = 0; r < row_units; ++r) {
            FWDAD_UNROLL
            for (int c = 0; c < column_units; ++c) {
                FWDAD_UNROLL
                for (int q = 0; q < 4; ++q) {
                    const int64_t row = row0 + 16 * r + 8 * (q / 2) + lane / 4;
                    const int64_t column = column0 + 8 * c + 2 * (lane % 4) + q % 2;
                    if (row < m && column < n) {
                        float value = sum[r][c][q];
                        if (bias.data != nullptr) {
                            value += bias.data[i * bias.batch + row * bias.row + column * bias.column];
                        }
                        out[(i * m + row) * n + column] = scale == nullptr ? value : value * scale[row * n + column];
                    }
                }
            }
        }
    }
};

template <int RowWarps>
void multiply_by(const Launch& at, const Affine<float>& a, const float* scale) {
    using Kernel = SignProduct<RowWarps>;
    const int64_t row_tiles = blocks_of(a.m, Kernel::tile_rows), column_tiles = blocks_of(a.n, Kernel::tile_columns);
    const Kernel kernel{
        a.m,          a.depth, a.n,   row_tiles, column_tiles, a.x, order_of(a.x.data, a.x.batch, a.x.row, a.x.column),
        *a.dw.stream, a.db,    scale, a.dy};
    launch(at, kernel, a.k * row_tiles * column_tiles);
}

}  // namespace

void sign_product(const Launch& at, const Affine<float>& a, const float* scale) {
    a.m > side ? multiply_by<2>(at, a, scale) : multiply_by<1>(at, a, scale);
}

}  // namespace fwdad::cuda
