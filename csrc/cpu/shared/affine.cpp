// The affine JVP as a packed matrix product.
//
// Both factors are packed (pack.hpp) for the inner loop. The results are tiles of tile_rows x tile_columns, summed in
// registers over both products of a tangent. Each thread owns a consecutive range of tiles, ordered by (tangent, panel
// of columns, panel of rows), so a right panel is packed, or generated, once and stays in the cache while the panels of
// x pass by. Each tile is computed in the same order of operations whoever owns it: the bits do not depend on the
// number of threads.
#include "affine.hpp"

#include "fill.hpp"
#include "multiply.hpp"
#include "pack.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Stretches are equal but for the last, and begin at multiples of 128, where a block of signs does.
FWDAD_INLINE int64_t stretch_of(int64_t depth) {
    const int64_t count = max(1, blocks_of(depth, longest_stretch));
    return count == 1 ? depth : round_up(blocks_of(depth, count), 128);
}

// Scratch memory of one thread: the right panels of a group for each term, and the left factor of a tangent.
template <class T>
struct Workspace {
    T* right[2];
    T* left[2];
    T* ahead;  // the right panels of the last term that come next
};

// The term whose right factor differs by direction, if there is one.
template <class T>
FWDAD_INLINE int last_of(const Job<T>& job) {
    return job.term_count == 2 ? 1 : 0;
}

// Tiles that share right panels: those of `count` neighbouring panels of columns, the last of them whole unless it is
// alone, and of the panels of rows panel0 .. panel1 - 1.
struct Group {
    int64_t i;
    int64_t column;
    int64_t count;
    int64_t panel0;
    int64_t panel1;
};

FWDAD_INLINE int64_t tiles_of(const Group& group) { return group.count * (group.panel1 - group.panel0); }

// The group that begins with tile t, of tiles before `end`.
template <class T>
FWDAD_INLINE Group group_at(const Job<T>& job, int64_t t, int64_t end) {
    constexpr int width = tile_columns<T>;
    const int64_t row_panels = blocks_of(job.m, tile_rows);
    const int64_t column_panels = blocks_of(job.n, width);
    const int64_t first = t / row_panels % column_panels;
    const int64_t panel0 = t % row_panels;
    const int64_t panel1 = min(row_panels, panel0 + end - t);
    int64_t count = 1;
    if (panel1 - panel0 == row_panels) {
        const int64_t whole = min(job.n / width - first, (end - t) / row_panels);
        count = max(1, min(panels_at_once, whole));
    }
    return {t / (row_panels * column_panels), first * width, count, panel0, panel1};
}

// Where the panel at a column has its rows p .. p + rows - 1, a stretch, among those that are packed for all
// directions: panels [stretch][panel][rows][tile_columns].
template <class T>
FWDAD_INLINE T* packed_panel(T* panels, int64_t n, int64_t p, int64_t rows, int64_t column) {
    return panels + p * round_up(n, tile_columns<T>) + column * rows;
}

// The right panels of a term that come after rows p .. p + stretch - 1 of those of the group at t: the next rows of the
// same, or the first of the next group. Those that are packed for all directions are fetched; those of the last term
// are packed too, if they are whole ones of a matrix with contiguous rows.
template <class T>
NextPanels<T> panels_after(const Job<T>& job, int s, Group group, int64_t t, int64_t end, int64_t p, int64_t stretch,
                           T* to) {
    constexpr int width = tile_columns<T>;
    const Term<T>& term = job.terms[s];
    p += stretch;
    if (p >= job.depth) {
        p = 0;
        t += tiles_of(group);
        if (t >= end) {
            return {};
        }
        group = group_at(job, t, end);
    }
    const int64_t rows = min(stretch, job.depth - p);
    if (term.right_panels != nullptr) {
        const T* first = packed_panel(term.right_panels, job.n, p, rows, group.column);
        return {first, group.count * width, rows, group.count, to, 0, rows};
    }
    if (s != last_of(job) || term.right.stream != nullptr || term.right.array.column != 1 ||
        group.column + group.count * width > job.n) {
        return {};
    }
    const T* first = term.right.array.data + group.i * term.right.array.batch + p * term.right.array.row + group.column;
    return {first, term.right.array.row, rows, group.count, to, 0, 0};
}

template <class T>
void run_tiles(const Job<T>& job, int64_t begin, int64_t end, Workspace<T> workspace) {
    constexpr int width = tile_columns<T>;
    const int64_t row_panels = blocks_of(job.m, tile_rows);
    const int64_t stretch = stretch_of(job.depth);
    int64_t packed = -1;    // whose left factors are in the workspace
    bool is_ahead = false;  // whether the last term's right panels are packed already
    for (int64_t t = begin; t < end;) {
        const Group group = group_at(job, t, end);
        const int64_t i = group.i;
        const T* left[2];
        for (int s = 0; s < job.term_count; ++s) {
            const Term<T>& term = job.terms[s];
            left[s] = term.left_panels;
            if (left[s] == nullptr) {
                left[s] = workspace.left[s];
                if (i != packed) {
                    pack_left(term.left.data + i * term.left.batch, term.left.row, term.left.column, job.m, job.depth,
                              0, row_panels, workspace.left[s]);
                }
            }
        }
        packed = i;
        int64_t p = 0;
        do {
            const int64_t depth = min(stretch, job.depth - p);
            NextPanels<T> ahead[2] = {};
            for (int s = 0; s < job.term_count; ++s) {
                ahead[s] = panels_after(job, s, group, t, end, p, stretch, workspace.ahead);
            }
            NextPanels<T>& last = ahead[last_of(job)];
            const bool packs = last.packed < last.rows;
            for (int64_t g = 0; g < group.count; ++g) {
                const int64_t column = group.column + g * width;
                const int64_t columns = min(width, job.n - column);
                const T* right[2];
                for (int s = 0; s < job.term_count; ++s) {
                    const Term<T>& term = job.terms[s];
                    T* const own = workspace.right[s] + g * depth * width;
                    right[s] = own;
                    if (term.right_panels != nullptr) {
                        right[s] = packed_panel(term.right_panels, job.n, p, depth, column);
                    } else if (term.right.stream != nullptr) {
                        // Whole registers: what lies right of the last column is multiplied too, and not stored.
                        const int64_t whole = min(width, round_up(columns, lanes<float>));
                        fill(*term.right.stream, i, p, depth, column, whole, own, width);
                    } else if (s != last_of(job) || !is_ahead) {
                        const Matrix<T>& matrix = term.right.array;
                        pack_right(matrix.data + i * matrix.batch + p * matrix.row + column * matrix.column, matrix.row,
                                   matrix.column, depth, columns, own);
                    }
                }
                for (int64_t panel = group.panel0; panel < group.panel1; ++panel) {
                    Stretch<T> stretches[2];
                    for (int s = 0; s < job.term_count; ++s) {
                        stretches[s] = {left[s] + (panel * job.depth + p) * tile_rows, right[s], &ahead[s]};
                    }
                    alignas(64) T tile[tile_rows * width];
                    multiply(columns, stretches, job.term_count, depth, tile);
                    const TileAt at{i, panel * tile_rows, 1, min(tile_rows, job.m - panel * tile_rows), column};
                    finish(job, at, job.adds || p != 0, p + depth == job.depth, tile);
                }
            }
            is_ahead = packs;
            while (last.packed < last.rows) {
                pack_row(last);
            }
            if (is_ahead) {
                T*& current = workspace.right[last_of(job)];
                T* const free = current;
                current = workspace.ahead;
                workspace.ahead = free;
            }
            p += depth;
        } while (p < job.depth);
        t += tiles_of(group);
    }
}

template <class T>
void run(const Job<T>& job) {
    const int64_t row_panels = blocks_of(job.m, tile_rows);
    const Schedule schedule = schedule_of(job, row_panels);
    // Room for a group's right panels of every term, for those that come next, and for left factors not packed already.
    const int64_t right = round_up(panels_at_once * stretch_of(job.depth) * tile_columns<T>, 64);
    bool own_left = false;
    for (int s = 0; s < job.term_count; ++s) {
        own_left |= job.terms[s].left_panels == nullptr;
    }
    const int64_t left = own_left ? round_up(row_panels * tile_rows * job.depth, 64) : 0;
    const int64_t each = 3 * right + 2 * left;
    const Buffer<T> memory(schedule.threads * each);
    parallel_ranges(
        schedule.threads, schedule.tasks,
        [&](int64_t begin, int64_t end, int t) {
            T* own = memory.get() + t * each;
            T* lefts = own + 3 * right;
            run_tiles(job, begin, end, Workspace<T>{{own, own + right}, {lefts, lefts + left}, own + 2 * right});
        },
        schedule.grain);
}

}  // namespace

template <class T>
void affine(const Affine<T>& a, MultiplyStream<T> multiply, double* gram) {
    const bool tangents = a.dy != nullptr && a.k > 0;
    if (a.m == 0 || a.n == 0 || (a.y == nullptr && !tangents)) {
        return;
    }
    const int64_t row_panels = blocks_of(a.m, tile_rows);
    const int64_t column_panels = blocks_of(a.n, tile_columns<T>);
    // Factors that are the same for all tangents are packed once: x, and w of dx_i w or dw of x_i dw.
    const bool moving = a.dx.data != nullptr;
    const Matrix<T>& dw = a.dw.array;
    const Matrix<T>& right = moving ? a.w : dw;
    const bool shares_x = a.x.batch == 0;
    const bool shares_right = tangents && (moving || (dw.data != nullptr && dw.batch == 0 && a.k > 1));
    const int64_t lefts = shares_x ? row_panels : 0;
    const int64_t rights = shares_right ? column_panels : 0;
    const Buffer<T> x_panels(lefts * tile_rows * a.depth);
    const Buffer<T> right_panels(rights * tile_columns<T> * a.depth);
    const double entries =
        static_cast<double>(a.depth) * static_cast<double>(lefts * tile_rows + rights * tile_columns<T>);
    parallel_ranges(threads_for(lefts + rights, entries), lefts + rights, [&](int64_t begin, int64_t end, int) {
        pack_left(a.x.data, a.x.row, a.x.column, a.m, a.depth, min(begin, lefts), min(end, lefts), x_panels.get());
        for (int64_t panel = max(begin, lefts) - lefts; panel < end - lefts; ++panel) {
            const int64_t column = panel * tile_columns<T>;
            const int64_t stretch = stretch_of(a.depth);
            for (int64_t p = 0; p < a.depth; p += stretch) {
                const int64_t rows = min(stretch, a.depth - p);
                pack_right(right.data + p * right.row + column * right.column, right.row, right.column, rows,
                           min(tile_columns<T>, a.n - column), packed_panel(right_panels.get(), a.n, p, rows, column));
            }
        }
    });
    const T* const shared_right = shares_right ? right_panels.get() : nullptr;
    const auto run_job = [&](Job<T> job) {
        if (multiply == nullptr || job.is_primal) {
            run(job);
            return;
        }
        if (moving) {  // first dx_i w alone
            run(Job<T>{a.m, a.depth, a.n, a.k, {job.terms[0], {}}, 1, {}, a.activation, a.dy, nullptr, false, false});
            job.terms[0] = job.terms[1];
            job.term_count = 1;
            job.adds = true;
        }
        multiply(job, gram);
    };
    run_jvp(a, shares_x ? x_panels.get() : nullptr, moving ? shared_right : nullptr, moving ? nullptr : shared_right,
            run_job);
}

template <class T>
void affine(const Affine<T>& a) {
    affine<T>(a, nullptr, nullptr);
}

template void affine(const Affine<float>&);
template void affine(const Affine<double>&);
template void affine(const Affine<float>&, MultiplyStream<float>, double*);
template void affine(const Affine<double>&, MultiplyStream<double>, double*);

}  // namespace fwdad::FWDAD_ISA
