// Each example multiplies w, its columns scaled by s, by v: a thin product whose left factor is the example's own, of
// which half is missing where the second layer's activation is a relu. So the products run over lists: per example, the
// units m with s[m] != 0, and s[m] v[m, :] of each. w is transposed into panels of two registers of units,
// [panel][m][width], and a tile of sums, two registers times the outputs, stays in registers while the panel's columns
// that the list names pass by.
//
// The lists are made once and serve all panels; a panel's part of one stretch of m stays in the first-level cache while
// all examples pass by. A task is one example and one panel, computed in the same order of operations whoever owns it:
// the bits do not depend on the number of threads.
#include "arguments.hpp"
#include "shared/pack.hpp"
#include "shared/partial.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int panel_vectors = 2;
template <class T>
constexpr int panel_units = panel_vectors * lanes<T>;

// Outputs whose sums fit the registers, beside a panel's column and a factor.
constexpr int most_columns = registers == 32 ? 12 : 6;

// Units m that pass by before the next example comes: their part of a panel fills 32 KB.
constexpr int64_t longest_stretch_of_panel = 32768 / (panel_vectors * register_bytes);

// Factors of all lists at a time, which bounds the memory for them.
constexpr int64_t most_factors = 1 << 20;

// The sizes, and how they are cut: c into `groups` of columns, n2 into stretches.
struct Cut {
    int64_t n1, n2, c;
    int64_t panels, groups, stretches;

    int64_t column(int64_t group) const { return c * group / groups; }
    int64_t stretch(int64_t part) const { return n2 * part / stretches; }
};

// The lists of some examples. Factors lie in one piece for each example and group of columns, [active unit][columns].
template <class T>
struct Lists {
    int64_t* columns;   // [example][n2]: where a unit's column begins in a panel
    int64_t* bounds;    // [example][stretches + 1]: where a stretch begins in the list
    T* factors;         // [example][piece of a group]
    int64_t apart;      // from example to example of factors
};

// to [n2][panel_units] = the rows of w from `first` on, transposed; zeros stand for rows that are missing.
template <class T>
void pack_panel(const Matrix<T>& w, int64_t first, T* to) {
    constexpr int side = lanes<T> < 8 ? lanes<T> : 8;
    constexpr int units = panel_units<T>;
    for (int64_t unit = 0; unit < units; unit += side) {
        const int64_t rows = most(0, least(side, w.rows - first - unit));
        const T* const from = w.data + (first + unit) * w.row;
        int64_t m = 0;
        if (rows == side && w.column == 1) {
            for (; m + lanes<T> <= w.columns; m += lanes<T>) {
                Vector<T> square[side];
#pragma GCC unroll 8
                for (int j = 0; j < side; ++j) {
                    square[j] = load(from + j * w.row + m);
                }
                transpose_squares(square);
#pragma GCC unroll 8
                for (int j = 0; j < side; ++j) {
#pragma GCC unroll 4
                    for (int l = 0; l < lanes<T>; l += side) {
                        memcpy(to + (m + l + j) * units + unit, reinterpret_cast<const T*>(&square[j]) + l,
                               side * sizeof(T));
                    }
                }
            }
        }
        for (; m < w.columns; ++m) {
            for (int64_t j = 0; j < side; ++j) {
                to[m * units + unit + j] = j < rows ? from[j * w.row + m * w.column] : 0;
            }
        }
    }
}

// to [active unit][columns] = s v, of the columns from `first` on. Whole registers are stored, in order: what is too
// much in one row is where the next row comes, or behind the last.
template <class T>
void make_factors(const T* s, const T* v, int64_t apart, int64_t columns, const int64_t* active, int64_t count, T* to) {
    for (int64_t a = 0; a < count; ++a, to += columns) {
        const int64_t m = active[a] / panel_units<T>;
        for (int64_t j = 0; j < columns; j += lanes<T>) {
            store(to + j, splat(s[m]) * load(v + m * apart + j));
        }
    }
}

// sums [Columns][panel_units] = (if it `adds`, what is there, and) sum of factor times column over a list.
template <int Columns, class T>
void multiply(const T* panel, const int64_t* active, const T* factors, int64_t count, bool adds, T* sums) {
    Vector<T> sum[Columns][panel_vectors];
#pragma GCC unroll 12
    for (int j = 0; j < Columns; ++j) {
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            sum[j][i] = adds ? load(sums + j * panel_units<T> + i * lanes<T>) : Vector<T>{};
        }
    }
    for (int64_t a = 0; a < count; ++a, factors += Columns) {
        Vector<T> column[panel_vectors];
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            column[i] = load(panel + active[a] + i * lanes<T>);
            hold(column[i]);
        }
#pragma GCC unroll 12
        for (int j = 0; j < Columns; ++j) {
            const Vector<T> factor = splat(factors[j]);
#pragma GCC unroll 2
            for (int i = 0; i < panel_vectors; ++i) {
                sum[j][i] = fma(factor, column[i], sum[j][i]);
            }
        }
    }
#pragma GCC unroll 12
    for (int j = 0; j < Columns; ++j) {
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            store(sums + j * panel_units<T> + i * lanes<T>, sum[j][i]);
        }
    }
}

template <int Columns = most_columns, class... Arguments>
void multiply_columns(int64_t columns, const Arguments&... arguments) {
    if (columns == Columns) {
        multiply<Columns>(arguments...);
    } else if constexpr (Columns > 1) {
        multiply_columns<Columns - 1>(columns, arguments...);
    }
}

// r x, and zero where r is.
template <class V>
FWDAD_INLINE V moved(V r, V x) {
    return r == V{} ? V{} : r * x;
}

// d[i] = r[i] sum_j e[j] sums[j][i] of the first `units` units of a panel.
template <class T>
void contract(const T* sums, const T* r, const T* e, int64_t c, int64_t units, T* d) {
    for (int64_t i = 0; i < units; i += lanes<T>) {
        Vector<T> total = {};
        for (int64_t j = 0; j < c; ++j) {
            total = fma(e == nullptr ? splat(T(1)) : splat(e[j]), load(sums + j * panel_units<T> + i), total);
        }
        if (i + lanes<T> <= units) {
            store(d + i, moved(load(r + i), total));
        } else {
            store_part(d + i, moved(load_part(r + i, units - i), total), units - i);
        }
    }
}

// d[i][j] = r[i] sums[j][i] of the first `units` units of a panel.
template <class T>
void scale(const T* sums, const T* r, int64_t c, int64_t units, T* d) {
    for (int64_t i = 0; i < units; ++i) {
        for (int64_t j = 0; j < c; ++j) {
            d[i * c + j] = r[i] == 0 ? 0 : r[i] * sums[j * panel_units<T> + i];
        }
    }
}

}  // namespace

template <class T>
void unit_jvp_thin(Matrix<T> w, In<T, 2> r, In<T, 2> s, Matrix<T> v, In<T, 2> e, Out<T, 3> d) {
    constexpr int units = panel_units<T>;
    const int64_t rows = r.shape[0];
    const Cut cut{w.rows, w.columns, v.columns, blocks_of(w.rows, units), most(1, blocks_of(v.columns, most_columns)),
                  most(1, blocks_of(w.columns, longest_stretch_of_panel))};
    // v in pieces [group][n2][whole registers], and room for the factors that are stored beyond the end.
    const int64_t whole = round_up(blocks_of(cut.c, cut.groups), lanes<T>);
    const Buffer<T> v_pieces(cut.groups * cut.n2 * whole);
    for (int64_t g = 0; g < cut.groups; ++g) {
        const int64_t first = cut.column(g);
        T* to = v_pieces.get() + g * cut.n2 * whole;
        for (int64_t m = 0; m < cut.n2; ++m, to += whole) {
            for (int64_t j = 0; j < whole; ++j) {
                to[j] = first + j < cut.column(g + 1) ? v.data[m * v.row + (first + j) * v.column] : 0;
            }
        }
    }
    const int64_t factors_apart = round_up(cut.n2 * cut.c, lanes<T>) + whole;
    const int64_t most_rows = most(1, least(rows, most_factors / factors_apart));
    const Buffer<T> panels(cut.panels * cut.n2 * units);
    const Buffer<int64_t> columns(most_rows * cut.n2);
    const Buffer<int64_t> bounds(most_rows * (cut.stretches + 1));
    const Buffer<T> factors(most_rows * factors_apart);
    const double work = static_cast<double>(cut.panels * cut.c) * static_cast<double>(cut.n2);
    // Sums of all stretches but the last wait for the next: [example][c][units].
    const int64_t sums_apart = cut.stretches == 1 ? 0 : cut.c * units;
    const int64_t sums_size = round_up(most(most_rows * sums_apart, cut.c * units), 64);
    const Buffer<T> memory(get_num_threads() * sums_size);

    for (int64_t row0 = 0; row0 < rows; row0 += most_rows) {
        const int64_t count = least(most_rows, rows - row0);
        const int64_t to_pack = row0 == 0 ? cut.panels : 0;
        const double making = static_cast<double>(cut.n2) * static_cast<double>(to_pack * 8 + count * cut.c / 4);
        parallel_ranges(threads_for(to_pack + count, making), to_pack + count, [&](int64_t begin, int64_t end, int) {
            for (int64_t panel = begin; panel < least(end, to_pack); ++panel) {
                pack_panel(w, panel * units, panels.get() + panel * cut.n2 * units);
            }
            for (int64_t b = most(begin, to_pack) - to_pack; b < end - to_pack; ++b) {
                const T* const slopes = s.data + (row0 + b) * cut.n2;
                int64_t* const list = columns.get() + b * cut.n2;
                int64_t* const bound = bounds.get() + b * (cut.stretches + 1);
                int64_t active = 0;
                bound[0] = 0;
                for (int64_t part = 0; part < cut.stretches; ++part) {
                    for (int64_t m = cut.stretch(part); m < cut.stretch(part + 1); ++m) {
                        list[active] = m * units;
                        active += slopes[m] != 0 ? 1 : 0;
                    }
                    bound[part + 1] = active;
                }
                for (int64_t g = 0; g < cut.groups; ++g) {
                    make_factors(slopes, v_pieces.get() + g * cut.n2 * whole, whole, cut.column(g + 1) - cut.column(g),
                                 list, active, factors.get() + b * factors_apart + cut.column(g) * cut.n2);
                }
            }
        });
        const int64_t tasks = cut.panels * count;
        const int threads = threads_for(tasks, work * static_cast<double>(count));
        parallel_ranges(
            threads, tasks,
            [&](int64_t begin, int64_t end, int thread) {
                T* const own = memory.get() + thread * sums_size;
                for (int64_t t = begin; t < end;) {
                    const int64_t panel = t / count;
                    const int64_t b0 = t % count;
                    const int64_t b1 = least(count, b0 + end - t);
                    const int64_t here = least(units, cut.n1 - panel * units);
                    for (int64_t part = 0; part < cut.stretches; ++part) {
                        for (int64_t b = b0; b < b1; ++b) {
                            const int64_t* const bound = bounds.get() + b * (cut.stretches + 1) + part;
                            T* const sums = own + b * sums_apart;
                            for (int64_t g = 0; g < cut.groups; ++g) {
                                const int64_t first = cut.column(g);
                                const int64_t width = cut.column(g + 1) - first;
                                multiply_columns(width, static_cast<const T*>(panels.get() + panel * cut.n2 * units), static_cast<const int64_t*>(columns.get() + b * cut.n2 + bound[0]), static_cast<const T*>(factors.get() + b * factors_apart + first * cut.n2 + bound[0] * width), bound[1] - bound[0], part > 0, sums + first * units);
                            }
                            if (part + 1 == cut.stretches) {
                                const int64_t entry = (row0 + b) * cut.n1 + panel * units;
                                if (d.shape[2] < 0) {
                                    const T* const weights = e.data == nullptr ? nullptr : e.data + (row0 + b) * cut.c;
                                    contract(sums, r.data + entry, weights, cut.c, here, d.data + entry);
                                } else {
                                    scale(sums, r.data + entry, cut.c, here, d.data + entry * cut.c);
                                }
                            }
                        }
                    }
                    t += b1 - b0;
                }
            },
            tasks >= 4 * threads * count ? count : 1);
    }
}

template decltype(unit_jvp_thin<float>) unit_jvp_thin<float>;
template decltype(unit_jvp_thin<double>) unit_jvp_thin<double>;

}  // namespace fwdad::FWDAD_ISA
