// Directions, read four entries at a time: from an array, or from the generator.
#pragma once

#include "philox.hpp"

namespace fwdad::cuda {

// The entries of a direction are numbered in fours. Of an array, a four is consecutive entries of a row. Of a stream,
// it is what one generator call gives, entries below one another; or, where rows have to stay apart (`across`),
// consecutive entries of a row, at four times the cost.
template <class T>
struct Source {
    const T* v;  // (k, rows, columns), or null: a stream
    Stream stream;
    int64_t rows, columns;
    bool across;
    bool packed;  // fours of the array are aligned
    int64_t fours_of_row;

    struct Four {
        int64_t row, column;
    };

    int64_t fours() const { return (down() ? blocks_of(rows, 4) : rows) * fours_of_row; }

    FWDAD_DEVICE Four operator[](int64_t four) const {
        const Division at = divide(four, fours_of_row);
        return down() ? Four{at.quotient * 4, at.rest} : Four{at.quotient, at.rest * 4};
    }

    // Where entry r of a four lies in the flattened direction, or -1 beyond its end.
    FWDAD_DEVICE int64_t position(const Four& four, int r) const {
        if (!down()) {
            return four.column + r < columns ? four.row * columns + four.column + r : -1;
        }
        if (stream.entries >= 0) {
            const int64_t entry = four.column * rows + four.row + r;
            return entry < stream.entries ? entry : -1;
        }
        return four.row + r < rows ? (four.row + r) * columns + four.column : -1;
    }

    // Zeros beyond the end.
    FWDAD_DEVICE void read(int64_t direction, const Four& four, T (&out)[4]) const {
        v != nullptr ? read_array(direction, four, out) : make(direction, four, out);
    }

    FWDAD_DEVICE void read_array(int64_t direction, const Four& four, T (&out)[4]) const {
        load_four(v + (direction * rows + four.row) * columns + four.column, columns - four.column, packed, out);
    }

    FWDAD_DEVICE void make(int64_t direction, const Four& four, T (&out)[4]) const {
        if (down()) {
            make_quad(stream, direction, four.row / 4, four.column, out);
            FWDAD_UNROLL
            for (int r = 0; r < 4; ++r) {
                out[r] = position(four, r) < 0 ? T(0) : out[r];
            }
            return;
        }
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            T below[4] = {};
            if (four.column + r < columns) {
                make_quad(stream, direction, four.row / 4, four.column + r, below);
            }
            const int64_t row = four.row % 4;
            out[r] = row < 2 ? (row == 0 ? below[0] : below[1]) : (row == 2 ? below[2] : below[3]);
        }
    }

 private:
    FWDAD_DEVICE_AND_HOST bool down() const { return v == nullptr && !across; }
};

// Arrays are taken as one long row unless rows have to stay apart.
template <class T>
Source<T> source_of(const Stream& s, bool per_row) {
    return {nullptr, s, s.rows, s.columns, per_row, false, per_row ? blocks_of(s.columns, 4) : s.columns};
}
template <class T>
Source<T> source_of(const Directions<T>& v, bool per_row) {
    if (v.stream != nullptr) {
        return source_of<T>(*v.stream, per_row);
    }
    const T* const data = v.array.data;
    const int64_t columns = v.array.columns;
    return {data,
            {},
            per_row ? v.array.rows : 1,
            columns,
            false,
            aligned(data) && columns % pack_size<T> == 0,
            blocks_of(columns, 4)};
}

}  // namespace fwdad::cuda
