// Products along lists: w, transposed into panels of two registers of units, times factors of those of its columns that
// a list names. A tile of sums, those of a panel's units for several outputs, stays in registers meanwhile.
#pragma once

#include "pack.hpp"
#include "run.hpp"

namespace fwdad::FWDAD_ISA {

constexpr int panel_vectors = 2;
template <class T>
constexpr int panel_units = panel_vectors * lanes<T>;

// Outputs whose sums fit the registers, beside a column of a panel and a factor.
constexpr int most_columns = registers == 32 ? 12 : 6;

// to [n2][panel_units] = the rows of w from `first` on, transposed; zeros stand for rows that are missing.
template <class T>
static void pack_panel(const Matrix<T>& w, int64_t first, T* to) {
    constexpr int side = lanes<T>;
    for (int vector = 0; vector < panel_vectors; ++vector, first += side, to += side) {
        const int64_t rows = max(0, min(side, w.rows - first));
        const T* const from = w.data + first * w.row;
        int64_t m = 0;
        for (; rows == side && w.column == 1 && m + side <= w.columns; m += side) {
            Vector<T> square[side];
#pragma GCC unroll 16
            for (int j = 0; j < side; ++j) {
                square[j] = load(from + j * w.row + m);
            }
            transpose_squares(square);
#pragma GCC unroll 16
            for (int j = 0; j < side; ++j) {
                store(to + (m + j) * panel_units<T>, square[j]);
            }
        }
        for (; m < w.columns; ++m) {
            for (int64_t j = 0; j < side; ++j) {
                to[m * panel_units<T> + j] = j < rows ? from[j * w.row + m * w.column] : 0;
            }
        }
    }
}

// A part of a list: units, and their factors for one group of columns.
template <class T>
struct Part {
    const int64_t* units;
    const T* factors;  // [count][columns]
    int64_t count;
};

// finish(j, i, sum): the sum of factor times column of the panel, register i of output j. With few columns, several
// units of the list have sums of their own: each would wait for the one before.
template <int Columns, class T, class F>
FWDAD_INLINE void multiply(const T* panel, const Part<T>& part, const F& finish) {
    constexpr int at_once = Columns >= 4 ? 1 : 4 / Columns;
    constexpr int units = panel_units<T>;
    Vector<T> sum[at_once][Columns][panel_vectors] = {};
    const auto add = [&](int64_t u, Vector<T>(&own)[Columns][panel_vectors]) {
        const T* const factors = part.factors + u * Columns;
        Vector<T> column[panel_vectors];
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            column[i] = load(panel + part.units[u] * units + i * lanes<T>);
            keep_in_register(column[i]);
        }
#pragma GCC unroll 12
        for (int j = 0; j < Columns; ++j) {
            const Vector<T> factor = splat(factors[j]);
#pragma GCC unroll 2
            for (int i = 0; i < panel_vectors; ++i) {
                own[j][i] = fma(factor, column[i], own[j][i]);
            }
        }
    };
    int64_t u = 0;
    for (; u + at_once <= part.count; u += at_once) {
#pragma GCC unroll 4
        for (int own = 0; own < at_once; ++own) {
            add(u + own, sum[own]);
        }
    }
    for (; at_once > 1 && u < part.count; ++u) {
        add(u, sum[0]);
    }
#pragma GCC unroll 12
    for (int j = 0; j < Columns; ++j) {
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            Vector<T> total = sum[0][j][i];
#pragma GCC unroll 4
            for (int own = 1; own < at_once; ++own) {
                total += sum[own][j][i];
            }
            finish(j, i, total);
        }
    }
}

template <int Columns = most_columns, class T, class F>
static void multiply(int64_t columns, const T* panel, const Part<T>& part, const F& finish) {
    if (columns == Columns) {
        multiply<Columns>(panel, part, finish);
    } else if constexpr (Columns > 1) {
        multiply<Columns - 1>(columns, panel, part, finish);
    }
}

// r x, and zero where r is.
template <class V>
FWDAD_INLINE V moved(V r, V x) {
    return r == V{} ? V{} : r * x;
}

}  // namespace fwdad::FWDAD_ISA
