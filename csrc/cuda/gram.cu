// A block computes a tile of G, for pairs of tiles on and below the diagonal, over a section of the entries; a second
// kernel adds the sections up, in order. The cut depends on the shape alone: the bits are always the same.
#include "shared/source.hpp"

namespace fwdad::cuda {
namespace {

constexpr int side = 16;
constexpr int tile = 2 * side;  // directions of a tile: a thread computes 2 x 2 entries of G
constexpr int slab = 8;         // fours of entries that are in shared memory at a time
constexpr int stretch = 8;      // slabs of 32 entries whose products are summed before the sum is added in double

template <class T, class Sum>
struct Gram {
    static constexpr int threads = side * side;
    static constexpr int resident = 2;
    struct Shared {
        Sum left[2][4 * slab][tile + 1];
        Sum right[2][4 * slab][tile + 1];
    };

    Source<T> source;
    int64_t k;
    int64_t pairs;     // of tiles
    int64_t sections;  // of a direction; 0: every row by itself
    int64_t fours;     // of a direction, or of a row
    double* g;         // (sections, k, k), or (rows, k, k)

    FWDAD_DEVICE void operator()(const Block& block, Shared& shared) const {
        const int thread = block.thread();
        const Division at = divide(block.index(), pairs);
        int64_t row_tile = 0;
        int64_t column_tile = at.rest;
        while (column_tile > row_tile) {  // pair (r, c), c <= r, is number r (r + 1) / 2 + c
            column_tile -= ++row_tile;
        }
        const bool diagonal = row_tile == column_tile;
        const bool per_row = sections == 0;
        const int64_t first = per_row ? at.quotient * fours : fours * at.quotient / sections;
        const int64_t last = per_row ? first + fours : fours * (at.quotient + 1) / sections;

        double total[2][2] = {};
        Sum sum[2][2] = {};
        T left[4], right[4];
        const int direction = thread / slab;  // that this thread reads
        const int four = thread % slab;
        const int row = thread / side;  // of the tile's entries that it computes
        const int column = thread % side;
        fetch(row_tile * tile + direction, first + four, last, left);
        fetch(diagonal ? k : column_tile * tile + direction, first + four, last, right);
        int turn = 0;
        for (int64_t from = first; from < last; from += slab, ++turn) {
            const int now = turn % 2;
            FWDAD_UNROLL
            for (int r = 0; r < 4; ++r) {
                shared.left[now][4 * four + r][direction] = static_cast<Sum>(left[r]);
                if (!diagonal) {
                    shared.right[now][4 * four + r][direction] = static_cast<Sum>(right[r]);
                }
            }
            block.sync();
            if (from + slab < last) {
                fetch(row_tile * tile + direction, from + slab + four, last, left);
                fetch(diagonal ? k : column_tile * tile + direction, from + slab + four, last, right);
            }
            const auto& others = diagonal ? shared.left[now] : shared.right[now];
            FWDAD_UNROLL
            for (int e = 0; e < 4 * slab; ++e) {
                FWDAD_UNROLL
                for (int a = 0; a < 2; ++a) {
                    FWDAD_UNROLL
                    for (int b = 0; b < 2; ++b) {
                        sum[a][b] =
                            multiply_add(shared.left[now][e][row + side * a], others[e][column + side * b], sum[a][b]);
                    }
                }
            }
            if (turn % stretch == stretch - 1 || from + slab >= last) {
                FWDAD_UNROLL
                for (int a = 0; a < 2; ++a) {
                    FWDAD_UNROLL
                    for (int b = 0; b < 2; ++b) {
                        total[a][b] += static_cast<double>(sum[a][b]);
                        sum[a][b] = Sum(0);
                    }
                }
            }
        }
        double* to = g + at.quotient * k * k;
        FWDAD_UNROLL
        for (int a = 0; a < 2; ++a) {
            FWDAD_UNROLL
            for (int b = 0; b < 2; ++b) {
                const int64_t i = row_tile * tile + row + side * a;
                const int64_t j = column_tile * tile + column + side * b;
                if (i < k && j <= i) {
                    to[i * k + j] = total[a][b];
                    to[j * k + i] = total[a][b];
                }
            }
        }
    }

 private:
    FWDAD_DEVICE void fetch(int64_t direction, int64_t four, int64_t last, T (&out)[4]) const {
        if (direction < k && four < last) {
            source.read(direction, source[four], out);
            return;
        }
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            out[r] = T(0);
        }
    }
};

struct AddSections {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    int64_t entries;
    int64_t sections;
    const double* from;  // (sections, entries)
    double* to;          // (entries)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t entry = block.index() * threads + block.thread();
        if (entry >= entries) {
            return;
        }
        double sum = 0;
        for (int64_t section = 0; section < sections; ++section) {
            sum += from[section * entries + entry];
        }
        to[entry] = sum;
    }
};

template <class T, class Sum>
void gram_as(const Launch& at, const Directions<T>& v, const Out<double, 3>& out) {
    const bool per_row = out.shape[0] >= 0;
    const Source<T> source = source_of(v, per_row);
    double* const g = out.data;
    const int64_t k = out.shape[1];
    const int64_t tiles = blocks_of(k, tile);
    const int64_t pairs = tiles * (tiles + 1) / 2;
    if (per_row) {
        launch(at, Gram<T, Sum>{source, k, pairs, 0, source.fours_of_row, g}, source.rows * pairs);
        return;
    }
    // Enough blocks for any device, and sections long enough to be worth a block each.
    const int64_t fours = source.fours();
    const int64_t most = k == 0 ? 1 : (1024 + pairs - 1) / pairs;
    const int64_t worth = blocks_of(fours, 8 * slab);
    const int64_t sections = worth < 1 ? 1 : (worth < most ? worth : most);
    double* sums = g;
    if (sections > 1) {
        sums = static_cast<double*>(at.scratch(sections * k * k * static_cast<int64_t>(sizeof(double))));
    }
    launch(at, Gram<T, Sum>{source, k, pairs, sections, fours, sums}, sections * pairs);
    if (sections > 1) {
        const AddSections add{k * k, sections, sums, g};
        launch(at, add, blocks_of(add.entries, add.threads));
    }
}

}  // namespace

template <class T>
void gram(const Launch& at, Directions<T> v, bool exact, Out<double, 3> g) {
    (exact ? gram_as<T, double> : gram_as<T, T>)(at, v, g);
}

template decltype(gram<float>) gram<float>;
template decltype(gram<double>) gram<double>;

}  // namespace fwdad::cuda
