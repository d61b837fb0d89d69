#include "shared/fill.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void generate(const Stream& stream, Out<T, 2> out) {
    const int64_t rows = fill_rows(stream);
    const int64_t columns = fill_columns(stream);
    if (rows * columns == 0) {
        return;
    }
    // A task is a tile of about 16 thousand entries: whole rows of a matrix, or a part of a vector.
    const int64_t tile_rows = round_up(max(1, 16384 / columns), stream.rows_per_call);
    const int64_t tile_columns = stream.entries < 0 ? columns : 16384;
    const int64_t row_tiles = blocks_of(rows, tile_rows);
    const int64_t tiles = row_tiles * blocks_of(columns, tile_columns);
    const int64_t tasks = stream.k * tiles;
    const double work = static_cast<double>(stream.k) * static_cast<double>(rows * columns) * 8;
    parallel_ranges(threads_for(tasks, work), tasks, [&](int64_t begin, int64_t end, int) {
        for (int64_t task = begin; task < end; ++task) {
            const int64_t direction = task / tiles;
            const int64_t row = task % tiles % row_tiles * tile_rows;
            const int64_t column = task % tiles / row_tiles * tile_columns;
            fill(stream, direction, row, min(tile_rows, rows - row), column, min(tile_columns, columns - column),
                 out.data + (direction * rows + row) * columns + column, columns);
        }
    });
}

template decltype(generate<float>) generate<float>;
template decltype(generate<double>) generate<double>;

}  // namespace fwdad::FWDAD_ISA
