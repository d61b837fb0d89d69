// The entries of a stream. Each generator call is made for `width` columns at once and gives rows_per_call rows.
#include "fill.hpp"

#include <string.h>

#include "philox.hpp"
#include "run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int width = lanes<float>;

FWDAD_INLINE void put(float* out, Float v) { store(out, v); }
FWDAD_INLINE void put(double* out, Float v) {
    float narrow[width];
    store(narrow, v);
    for (int j = 0; j < width; j += lanes<double>) {
        store(out + j, load_double(narrow + j));
    }
}

// U blocks of four rows of normals, `width` columns.
template <int U, class T>
FWDAD_INLINE void normal_rows(const Philox& philox, int64_t block, T* out, int64_t stride) {
    Word words[U][4];
    philox_words(philox, static_cast<uint32_t>(block), words);
#pragma GCC unroll 4
    for (int unit = 0; unit < U; ++unit) {
#pragma GCC unroll 2
        for (int pair = 0; pair < 2; ++pair) {
            Float first, second;
            normal_pair(words[unit][2 * pair], words[unit][2 * pair + 1], first, second);
            T* row = out + (4 * unit + 2 * pair) * stride;
            put(row, first);
            put(row + stride, second);
        }
    }
}

template <class T>
void copy_rows(const T* from, int64_t rows, int64_t columns, T* out, int64_t stride) {
    for (int64_t r = 0; r < rows; ++r) {
        memcpy(out + r * stride, from + r * width, static_cast<size_t>(columns) * sizeof(T));
    }
}

// `columns` <= width columns; what does not fill a register or a block of rows goes through `whole`.
template <class T>
void fill_normals(const Philox& philox, int64_t row0, int64_t rows, int64_t columns, T* out, int64_t stride) {
    int64_t r = 0;
    if (columns == width) {
        for (; r + 8 <= rows; r += 8) {
            normal_rows<2>(philox, (row0 + r) / 4, out + r * stride, stride);
        }
        for (; r + 4 <= rows; r += 4) {
            normal_rows<1>(philox, (row0 + r) / 4, out + r * stride, stride);
        }
    }
    for (; r < rows; r += 4) {
        T whole[4 * width];
        normal_rows<1>(philox, (row0 + r) / 4, whole, width);
        copy_rows(whole, min(4, rows - r), columns, out + r * stride, stride);
    }
}

template <class T>
void fill_signs(const Philox& philox, int64_t row0, int64_t rows, int64_t columns, T* out, int64_t stride) {
    for (int64_t r = 0; r < rows;) {
        const int64_t block = (row0 + r) / 128;
        const int64_t end = min(rows, (block + 1) * 128 - row0);
        Word words[1][4];
        philox_words(philox, static_cast<uint32_t>(block), words);
        while (r < end) {
            const int64_t row = (row0 + r) % 128;
            Word bits = words[0][row / 32] >> static_cast<uint32_t>(row % 32);
            const int64_t last = min(end, r + 32 - row % 32);
            if (columns == width) {
#pragma GCC unroll 8
                for (; r < last; ++r, bits >>= 1) {
                    put(out + r * stride, sign_of_lowest(bits));
                }
            }
            for (; r < last; ++r, bits >>= 1) {
                T whole[width];
                put(whole, sign_of_lowest(bits));
                copy_rows(whole, 1, columns, out + r * stride, stride);
            }
        }
    }
}

template <class T>
void fill_matrix(Philox& philox, int64_t rows_per_call, int64_t row0, int64_t rows, int64_t column0, int64_t columns,
                 T* out, int64_t stride) {
    for (int64_t c = 0; c < columns; c += width) {
        turn_to(philox, static_cast<uint32_t>(column0 + c));
        const auto fill_columns = rows_per_call == 4 ? fill_normals<T> : fill_signs<T>;
        fill_columns(philox, row0, rows, min(width, columns - c), out + c, stride);
    }
}

// Entries of a vector lie down the columns of its matrix: `width` columns are made at a time, and transposed.
template <int Rows, class T>
void fill_vector(Philox& philox, int64_t entry0, int64_t n, T* out) {
    T matrix[Rows * width];
    for (int64_t e = 0; e < n; e += Rows * width) {
        fill_matrix(philox, Rows, 0, Rows, (entry0 + e) / Rows, width, matrix, width);
        for (int64_t column = 0; column < width; ++column) {
            const int64_t rows = min(Rows, n - e - column * Rows);  // negative beyond the last entry
            for (int64_t row = 0; row < rows; ++row) {
                out[e + column * Rows + row] = matrix[row * width + column];
            }
        }
    }
}

}  // namespace

template <class T>
void fill(const Stream& stream, int64_t direction, int64_t row0, int64_t rows, int64_t column0, int64_t columns, T* out,
          int64_t stride) {
    Philox philox = philox_of(stream, direction);
    if (stream.entries < 0) {
        fill_matrix(philox, stream.rows_per_call, row0, rows, column0, columns, out, stride);
    } else {
        const auto fill_entries = stream.rows_per_call == 4 ? fill_vector<4, T> : fill_vector<128, T>;
        fill_entries(philox, column0, columns, out);
    }
}

template void fill(const Stream&, int64_t, int64_t, int64_t, int64_t, int64_t, float*, int64_t);
template void fill(const Stream&, int64_t, int64_t, int64_t, int64_t, int64_t, double*, int64_t);

}  // namespace fwdad::FWDAD_ISA
