// The entries are cut into tiles small enough for k pieces of a tile to stay in the second-level cache, and the tiles
// into sections. The sums of a tile are added to those of its section in double. The cut depends on the shape alone,
// each section has its own sums, and these are added in order: the bits do not depend on the number of threads.
#include <string.h>

#include "shared/gram_blocks.hpp"
#include "shared/tiling.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Fetches the tiles of a matrix of one row into the cache, in the order in which add_gram comes to their pieces. It
// runs a third of a tile ahead: the first rows of blocks are short, and use up pieces faster than they come.
template <class T>
class Fetch {
 public:
    // Tiles `tile` to `end` - 1 of `width` columns.
    Fetch(const Rows<T>& v, int64_t width, int64_t tile, int64_t end) : v_(v), width_(width), tile_(tile), end_(end) {
        const int64_t lines = v.k * blocks_of(width, line);
        step_ = blocks_of(lines, sums_of(v.k) / (block * block));
        fetch(tile, lines / 3);
    }

    // One of as many steps as there are blocks, while tile t is worked on.
    void step(int64_t t) { fetch(t, step_); }

 private:
    static constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));

    void fetch(int64_t t, int64_t lines) {
        while (lines > 0 && tile_ < end_ && (tile_ - t - 1) * v_.k + direction_ < blocks_of(v_.k, 3)) {
            const int64_t column = tile_ * width_ + column_;
            const T* const from = v_.v + direction_ * v_.columns + column;
            const int64_t left = min(width_ - column_, v_.columns - column);
            const int64_t there = blocks_of(left, line);
            const int64_t count = min(lines, there);
            for (int64_t j = 0; j < count; ++j) {
                __builtin_prefetch(from + j * line, 0, 2);
            }
            lines -= count;
            column_ += count * line;
            if (count == there) {
                __builtin_prefetch(from + left - 1, 0, 2);  // a piece that is not aligned ends in one line more
                column_ = 0;
                direction_ = direction_ + 1 == v_.k ? 0 : direction_ + 1;
                tile_ += direction_ == 0 ? 1 : 0;
            }
        }
    }

    const Rows<T>& v_;
    const int64_t width_;
    int64_t tile_, end_;  // what is fetched next
    int64_t direction_ = 0, column_ = 0;
    int64_t step_;  // lines
};

// For a stream, tiles are made of several generator calls for each column, or of a quarter of one.
template <class T>
Tiling tiling_of(const Rows<T>& v, bool per_row) {
    const bool stream = v.stream != nullptr;
    const int64_t cached = (512 << 10) / (v.k * static_cast<int64_t>(sizeof(T))) / 64 * 64;
    const int64_t entries = max(256, min(stream ? most_entries : 512, cached));
    if (!stream || v.stream->entries >= 0) {
        return {v.rows, v.columns, 1, entries};
    }
    if (per_row) {
        return {v.rows, v.columns, 4, entries};  // more rows at a time would leave threads without work
    }
    const int64_t block_of_rows = 32;
    const int64_t columns = min(v.columns, entries / block_of_rows);
    return {v.rows, v.columns, max(1, entries / max(1, columns) / block_of_rows) * block_of_rows, columns};
}

template <class S, class T>
void run(const Rows<T>& v, bool per_row, double* g) {
    const int64_t k = v.k;
    const Tiling tiling = tiling_of(v, per_row);
    const int64_t count = tiling.count();
    const int64_t most_sections = max(2, min(16, (64 << 20) / (k * k * 8)));
    const int64_t sections = per_row ? blocks_of(v.rows, tiling.tile_rows) : min(count, most_sections);
    const double work = static_cast<double>(k * k + 16 * k) * static_cast<double>(v.rows * v.columns) / lanes<T>;
    const int threads = threads_for(sections, work);
    const int64_t size = sums_of(k);
    const int64_t section_size = (per_row ? tiling.tile_rows : 1) * size;
    const Buffer<double> sums((per_row ? threads : sections) * section_size);

    const int64_t entries = tiling.tile_rows * tiling.tile_columns;
    const int64_t packed = packed_size<S>(k, entries);
    const bool all_made = per_row && v.stream != nullptr;  // a block of rows of all directions is generated at once
    const int64_t made = v.stream == nullptr ? 0 : (all_made ? k : block) * entries;
    const Buffer<S> packed_memory(threads * packed);
    const Buffer<T> made_memory(threads * made);

    parallel_ranges(threads, sections, [&](int64_t begin, int64_t end, int thread) {
        S* const own_packed = packed_memory.get() + thread * packed;
        T* const own_made = made_memory.get() + thread * made;
        const int64_t first = count * begin / sections, last = count * end / sections;
        Fetch<T> fetch(v, tiling.tile_columns, first, v.stream == nullptr && !per_row ? last : first);
        for (int64_t section = begin; section < end; ++section) {
            double* const sum = sums.get() + (per_row ? thread : section) * section_size;
            memset(sum, 0, static_cast<size_t>(section_size) * sizeof(double));
            for (int64_t t = count * section / sections; t < count * (section + 1) / sections; ++t) {
                const Tile tile = tiling[t];
                for (int64_t i = 0; i < k && all_made; ++i) {
                    entries_of(v, i, tile, own_made + i * entries);
                }
                const int64_t rows = per_row ? tile.rows : 1;
                const int64_t n = tile.rows * tile.columns / rows;
                for (int64_t r = 0; r < rows; ++r) {
                    const auto source = [&](int64_t i) {
                        return all_made ? own_made + i * entries + r * n
                                        : entries_of(v, i, tile, own_made + i % block * entries).data;
                    };
                    add_gram(k, n, source, own_packed, sum + r * size, [&] { fetch.step(t); });
                }
            }
            const int64_t row0 = section * tiling.tile_rows;
            for (int64_t row = row0; per_row && row < min(row0 + tiling.tile_rows, v.rows); ++row) {
                unpack(k, sum + (row - row0) * size, g + row * k * k);
            }
        }
    });
    if (!per_row) {
        add_up(sections, size, sums.get());
        unpack(k, sums.get(), g);
    }
}

}  // namespace

template <class T>
void gram(Directions<T> directions, bool exact, Out<double, 3> g) {
    const bool per_row = g.shape[0] >= 0;
    const Rows<T> v = rows_of(directions, per_row);
    if (v.rows * v.columns == 0 || v.k == 0) {
        memset(g.data, 0, static_cast<size_t>((per_row ? v.rows : 1) * v.k * v.k) * sizeof(double));
    } else if (exact) {
        run<double>(v, per_row, g.data);
    } else {
        run<T>(v, per_row, g.data);
    }
}

template decltype(gram<float>) gram<float>;
template decltype(gram<double>) gram<double>;

}  // namespace fwdad::FWDAD_ISA
