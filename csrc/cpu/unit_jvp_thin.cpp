// Each example multiplies w, whose columns it scales by its own s, by v. Where s is zero, as the slopes of relu are for
// half of the units, a column is left out: the products run over lists, made for each example, of the units m that move
// and of s[m] v[m, :], their factors. w is transposed into panels of two registers of units, [panel][m][units]. A tile
// of sums, those of a panel's units for several outputs, stays in registers while the columns that a list names pass
// by.
//
// Lists serve all panels, and a panel's part of a stretch of m stays in the first-level cache while examples pass by. A
// tile is computed in the same order of operations whoever owns it: the bits do not depend on the number of threads.
#include <new>

#include "arguments.hpp"
#include "shared/listed.hpp"
#include "shared/partial.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Units m of a stretch: their part of a panel fills 32 KB.
constexpr int64_t longest_stretch = 32768 / (panel_vectors * register_bytes);

// Factors at a time, which bounds the memory for lists.
constexpr int64_t most_factors = 1 << 20;
constexpr int64_t largest_v = 1 << 28;  // entries; a v with strides of zero may have more than all memory

// Outputs in groups that fit a tile, and units m in stretches, about equal each.
struct Cut {
    int64_t n2, c, groups, stretches;
    int64_t column(int64_t group) const { return c * group / groups; }
    int64_t unit(int64_t stretch) const { return n2 * stretch / stretches; }
};

// The list of one example.
template <class T>
struct List {
    int64_t* units;   // (n2), as many as move
    int64_t* bounds;  // (stretches + 1): where stretches begin in the list
    T* factors;       // [group][n2][columns of the group], as many rows as units move; room for a row of registers more
};

// to [group][n2][whole registers] = v (n2, c)
template <class T>
void pack_columns(const Matrix<T>& v, const Cut& cut, int64_t whole, T* to) {
    for (int64_t group = 0; group < cut.groups; ++group) {
        const int64_t first = cut.column(group);
        const int64_t columns = cut.column(group + 1) - first;
        for (int64_t m = 0; m < cut.n2; ++m, to += whole) {
            for (int64_t j = 0; j < whole; ++j) {
                to[j] = j < columns ? v.data[m * v.row + (first + j) * v.column] : 0;
            }
        }
    }
}

// The list of the example whose slopes are s (n2); v as pack_columns makes it.
template <class T>
void make_list(const T* s, const T* v, const Cut& cut, int64_t whole, const List<T>& list) {
    int64_t count = 0;
    for (int64_t part = 0; part < cut.stretches; ++part) {
        list.bounds[part] = count;
        const int64_t end = cut.unit(part + 1);
        for (int64_t m = cut.unit(part); m < end; ++m) {
            list.units[count] = m;
            count += s[m] != 0 ? 1 : 0;
        }
    }
    list.bounds[cut.stretches] = count;
    for (int64_t group = 0; group < cut.groups; ++group, v += cut.n2 * whole) {
        const int64_t columns = cut.column(group + 1) - cut.column(group);
        T* to = list.factors + cut.n2 * cut.column(group);
        for (int64_t u = 0; u < count; ++u, to += columns) {
            const int64_t m = list.units[u];
            for (int64_t j = 0; j < columns; j += lanes<T>) {  // the next row comes over what is too much
                store(to + j, splat(s[m]) * load(v + m * whole + j));
            }
        }
    }
}

// d [units] = r [units] sum_j e[j] sums[j][units], of c sums.
template <class T>
void contract(const T* sums, const T* r, const T* e, int64_t c, int64_t units, T* d) {
    Vector<T> total[panel_vectors] = {};
    for (int64_t j = 0; j < c; ++j) {
        const Vector<T> factor = splat(e == nullptr ? T(1) : e[j]);
#pragma GCC unroll 2
        for (int i = 0; i < panel_vectors; ++i) {
            total[i] = fma(factor, load(sums + j * panel_units<T> + i * lanes<T>), total[i]);
        }
    }
#pragma GCC unroll 2
    for (int i = 0; i < panel_vectors; ++i) {
        const int64_t left = units - i * lanes<T>;
        const int64_t at = i * lanes<T>;
        if (left >= lanes<T>) {
            store(d + at, moved(load(r + at), total[i]));
        } else if (left > 0) {
            store_part(d + at, moved(load_part(r + at, left), total[i]), left);
        }
    }
}

// d [units][c] = r [units] sums[c][units]; the sums are overwritten.
template <class T>
void scale(T* sums, const T* r, int64_t c, int64_t units, T* d) {
    T slopes[panel_units<T>] = {};
    memcpy(slopes, r, static_cast<size_t>(units) * sizeof(T));
    for (int64_t j = 0; j < c; ++j) {
#pragma GCC unroll 2
        for (int i = 0; i < panel_units<T>; i += lanes<T>) {
            T* const sum = sums + j * panel_units<T> + i;
            store(sum, moved(load(slopes + i), load(sum)));
        }
    }
    for (int64_t i = 0; i < units; ++i) {
        for (int64_t j = 0; j < c; ++j) {
            d[i * c + j] = sums[j * panel_units<T> + i];
        }
    }
}

// What the tiles of some rows, those from `first` on, need.
template <class T>
struct Job {
    Cut cut;
    const T* panels;  // [panel][n2][panel_units]
    const List<T>* lists;
    int64_t first;
    In<T, 2> r, e;
    Out<T, 3> d;
};

// The tiles of one panel and the rows begin .. end - 1. Their sums, [c][panel_units] each, are in `memory`: one tile's,
// or where there are several stretches, those of all rows.
template <class T>
void run_tiles(const Job<T>& job, int64_t panel, int64_t begin, int64_t end, T* memory) {
    constexpr int units = panel_units<T>;
    const Cut& cut = job.cut;
    const int64_t n1 = job.r.shape[1];
    const int64_t there = min(units, n1 - panel * units);
    const T* const columns = job.panels + panel * cut.n2 * units;
    for (int64_t stretch = 0; stretch < cut.stretches; ++stretch) {
        for (int64_t row = begin; row < end; ++row) {
            const List<T>& list = job.lists[row];
            const int64_t start = list.bounds[stretch];
            const int64_t count = list.bounds[stretch + 1] - start;
            T* const sums = memory + (cut.stretches == 1 ? 0 : row * cut.c * units);
            for (int64_t group = 0; group < cut.groups; ++group) {
                const int64_t column = cut.column(group);
                const int64_t width = cut.column(group + 1) - column;
                const Part<T> part{list.units + start, list.factors + cut.n2 * column + start * width, count};
                multiply(width, columns, part, [&](int j, int i, Vector<T> sum) {
                    T* const to = sums + (column + j) * units + i * lanes<T>;
                    store(to, stretch > 0 ? load(to) + sum : sum);
                });
            }
            if (stretch + 1 < cut.stretches) {
                continue;
            }
            const int64_t entry = (job.first + row) * n1 + panel * units;
            const T* const r = job.r.data + entry;
            if (job.d.shape[2] >= 0) {
                scale(sums, r, cut.c, there, job.d.data + entry * cut.c);
            } else {
                const T* const e = job.e.data == nullptr ? nullptr : job.e.data + (job.first + row) * cut.c;
                contract(sums, r, e, cut.c, there, job.d.data + entry);
            }
        }
    }
}

}  // namespace

template <class T>
void unit_jvp_thin(Matrix<T> w, In<T, 2> r, In<T, 2> s, Matrix<T> v, In<T, 2> e, Out<T, 3> d) {
    constexpr int units = panel_units<T>;
    const int64_t rows = r.shape[0];
    const int64_t n2 = w.columns;
    const int64_t c = v.columns;
    if (rows == 0 || w.rows == 0) {
        return;
    }
    if (n2 * c > largest_v) {
        throw std::bad_alloc();
    }
    const Cut cut{n2, c, max(1, blocks_of(c, most_columns)), max(1, blocks_of(n2, longest_stretch))};

    const int64_t panel_count = blocks_of(w.rows, units);
    const Buffer<T> panels(panel_count * n2 * units);
    const int threads_to_pack = threads_for(panel_count, static_cast<double>(w.rows) * static_cast<double>(n2));
    parallel_ranges(threads_to_pack, panel_count, [&](int64_t begin, int64_t end, int) {
        for (int64_t panel = begin; panel < end; ++panel) {
            pack_panel(w, panel * units, panels.get() + panel * n2 * units);
        }
    });
    const int64_t whole = round_up(blocks_of(c, cut.groups), lanes<T>);
    const Buffer<T> packed_v(cut.groups * n2 * whole);
    pack_columns(v, cut, whole, packed_v.get());

    const int64_t factors_apart = max(64, round_up(n2 * c + whole, 64));
    const int64_t rows_at_once = max(1, min(rows, most_factors / factors_apart));
    const Buffer<int64_t> listed(rows_at_once * n2);
    const Buffer<int64_t> bounds(rows_at_once * (cut.stretches + 1));
    const Buffer<T> factors(rows_at_once * factors_apart);
    const Buffer<List<T>> lists(rows_at_once);
    for (int64_t row = 0; row < rows_at_once; ++row) {
        lists.get()[row] = {listed.get() + row * n2, bounds.get() + row * (cut.stretches + 1),
                            factors.get() + row * factors_apart};
    }

    const double work_of_row = static_cast<double>(n2) * static_cast<double>(c);
    const int64_t tasks_at_once = panel_count * rows_at_once;
    const int threads = threads_for(tasks_at_once, work_of_row * static_cast<double>(tasks_at_once));
    const int64_t sums_size = round_up(c * units * (cut.stretches == 1 ? 1 : rows_at_once), 64);
    const Buffer<T> sums(threads * sums_size);

    for (int64_t first = 0; first < rows; first += rows_at_once) {
        const int64_t count = min(rows_at_once, rows - first);
        const double work = work_of_row * static_cast<double>(count) / 8;
        parallel_ranges(threads_for(count, work), count, [&](int64_t begin, int64_t end, int) {
            for (int64_t row = begin; row < end; ++row) {
                make_list(s.data + (first + row) * n2, packed_v.get(), cut, whole, lists.get()[row]);
            }
        });
        const Job<T> job{cut, panels.get(), lists.get(), first, r, e, d};
        const int64_t tasks = panel_count * count;  // a panel and a row each
        parallel_ranges(
            threads, tasks,
            [&](int64_t begin, int64_t end, int thread) {
                for (int64_t task = begin; task < end;) {
                    const int64_t row = task % count;
                    const int64_t stop = min(count, row + end - task);
                    run_tiles(job, task / count, row, stop, sums.get() + thread * sums_size);
                    task += stop - row;
                }
            },
            tasks >= 4 * threads * count ? count : 1);
    }
}

template decltype(unit_jvp_thin<float>) unit_jvp_thin<float>;
template decltype(unit_jvp_thin<double>) unit_jvp_thin<double>;

}  // namespace fwdad::FWDAD_ISA
