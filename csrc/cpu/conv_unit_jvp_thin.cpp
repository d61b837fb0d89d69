// At each position of the convolution's output, its window of units is a small unit_jvp_thin: w times the factors
// s[m] v[m, :] of the channels m that move there. What comes out for each unit of the window, contracted with e, is
// added to d where the window lies. Panels of w that see nothing but padding are left out.
//
// A task is an example, which one thread computes in one order: the bits do not depend on the number of threads.
#include <string.h>

#include "shared/listed.hpp"
#include "shared/taps.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Outputs in groups that fit a tile, about equal each.
struct Groups {
    int64_t c, count;
    int64_t column(int64_t group) const { return c * group / count; }
};

// What a position sees: stretches of the image, and the panels of w that hold their rows.
struct Place {
    Segment* segments;
    int64_t segment_count;
    int64_t* panels;
    int64_t panel_count;
};

// What all examples share.
template <class T>
struct Job {
    int64_t positions, units, n, whole;  // `units` of the image; `whole` registers hold a row of a group of v
    Groups groups;
    const Place* places;
    const T* panels;  // [panel][n][panel_units]
    const T* v;       // [position][group][n][whole]
    In<T, 4> r, s;
    In<T, 2> e;
    Out<T, 4> d;
};

// A thread's own memory.
template <class T>
struct Scratch {
    int64_t* listed;  // (n)
    T* factors;       // [group][n][columns of the group]; room for a row of registers more
    T* window;        // [panel][panel_units]
};

// The channels that move at one position, whose slopes are s (n), and their factors; v as in Job. Returns how many.
template <class T>
int64_t make_list(const Job<T>& job, const T* s, const T* v, const Scratch<T>& own) {
    int64_t count = 0;
    for (int64_t m = 0; m < job.n; ++m) {
        own.listed[count] = m;
        count += s[m] != 0 ? 1 : 0;
    }
    for (int64_t group = 0; group < job.groups.count; ++group, v += job.n * job.whole) {
        const int64_t columns = job.groups.column(group + 1) - job.groups.column(group);
        T* to = own.factors + job.n * job.groups.column(group);
        for (int64_t u = 0; u < count; ++u, to += columns) {
            const int64_t m = own.listed[u];
            for (int64_t j = 0; j < columns; j += lanes<T>) {  // the next row comes over what is too much
                store(to + j, splat(s[m]) * load(v + m * job.whole + j));
            }
        }
    }
    return count;
}

template <class T>
void run_example(const Job<T>& job, int64_t example, const Scratch<T>& own) {
    constexpr int units = panel_units<T>;
    T* const d = job.d.data + example * job.units;
    const T* const e = job.e.data + example * job.groups.c;
    memset(d, 0, static_cast<size_t>(job.units) * sizeof(T));
    for (int64_t position = 0; position < job.positions; ++position) {
        const Place& place = job.places[position];
        const T* const s = job.s.data + (example * job.positions + position) * job.n;
        const int64_t count = make_list(job, s, job.v + position * job.groups.count * job.n * job.whole, own);
        if (count == 0) {
            continue;
        }
        for (int64_t p = 0; p < place.panel_count; ++p) {
            const int64_t panel = place.panels[p];
            Vector<T> total[panel_vectors] = {};
            for (int64_t group = 0; group < job.groups.count; ++group) {
                const int64_t column = job.groups.column(group);
                const int64_t columns = job.groups.column(group + 1) - column;
                const Part<T> part{own.listed, own.factors + job.n * column, count};
                multiply(columns, job.panels + panel * job.n * units, part,
                         [&](int j, int i, Vector<T> sum) { total[i] = fma(splat(e[column + j]), sum, total[i]); });
            }
            for (int i = 0; i < panel_vectors; ++i) {
                store(own.window + panel * units + i * lanes<T>, total[i]);
            }
        }
        for (int64_t g = 0; g < place.segment_count; ++g) {
            const Segment& segment = place.segments[g];
            for (int64_t j = 0; j < segment.depth; ++j) {
                d[segment.left + j] += own.window[segment.right + j];
            }
        }
    }
    const T* const r = job.r.data + example * job.units;
    for (int64_t j = 0; j < job.units; ++j) {
        d[j] = r[j] == 0 ? 0 : r[j] * d[j];
    }
}

// The panels, of `panel_count`, that hold rows of a place's segments.
template <class T>
void find_panels(Place& place, int64_t panel_count) {
    int64_t next = 0;  // segments go through w from its beginning to its end
    for (int64_t g = 0; g < place.segment_count; ++g) {
        const Segment& segment = place.segments[g];
        const int64_t end = min(panel_count, blocks_of(segment.right + segment.depth, panel_units<T>));
        for (next = max(next, segment.right / panel_units<T>); next < end; ++next) {
            place.panels[place.panel_count++] = next;
        }
    }
}

}  // namespace

template <class T>
void conv_unit_jvp_thin(Matrix<T> w, In<T, 4> r, In<T, 4> s, In<T, 4> v, In<T, 2> e, const Window& window,
                        Out<T, 4> d) {
    constexpr int units = panel_units<T>;
    const Images shape{r.shape[0], r.shape[1], r.shape[2], r.shape[3], s.shape[1], s.shape[2], window};
    const int64_t n = w.columns;
    const int64_t c = e.shape[1];
    const int64_t positions = shape.rows * shape.columns;
    const int64_t image = shape.height * shape.width * shape.channels;
    if (shape.count * image == 0) {
        return;
    }

    const int64_t panel_count = blocks_of(w.rows, units);
    const Buffer<T> panels(panel_count * n * units);
    for (int64_t panel = 0; panel < panel_count; ++panel) {
        pack_panel(w, panel * units, panels.get() + panel * n * units);
    }

    const Groups groups{c, max(1, blocks_of(c, most_columns))};
    const int64_t whole = round_up(blocks_of(c, groups.count), lanes<T>);
    const Buffer<T> packed_v(positions * groups.count * n * whole);
    T* to = packed_v.get();
    for (int64_t position = 0; position < positions; ++position) {
        for (int64_t group = 0; group < groups.count; ++group) {
            const int64_t first = groups.column(group);
            const int64_t columns = groups.column(group + 1) - first;
            for (int64_t m = 0; m < n; ++m, to += whole) {
                for (int64_t j = 0; j < whole; ++j) {
                    to[j] = j < columns ? v.data[(position * n + m) * c + first + j] : 0;
                }
            }
        }
    }

    const int64_t taps = window.kernel[0] * window.kernel[1];
    const Buffer<Segment> segments(positions * taps);
    const Buffer<int64_t> needed(positions * panel_count);
    const Buffer<Place> places(positions);
    for (int64_t position = 0; position < positions; ++position) {
        Place& place = places.get()[position];
        place = {segments.get() + position * taps, 0, needed.get() + position * panel_count, 0};
        place.segment_count = segments_at(shape, position / shape.columns, position % shape.columns, place.segments);
        find_panels<T>(place, panel_count);
    }

    const Job<T> job{positions, image, n, whole, groups, places.get(), panels.get(), packed_v.get(), r, s, e, d};
    const double work = static_cast<double>(positions) * static_cast<double>(w.rows * n) * static_cast<double>(c);
    const int threads = threads_for(shape.count, work * static_cast<double>(shape.count) / lanes<T>);
    const int64_t factors_size = round_up(n * c + whole, 64);
    const int64_t window_size = round_up(panel_count * units, 64);
    const Buffer<int64_t> listed(threads * round_up(n + 1, 64));
    const Buffer<T> memory(threads * (factors_size + window_size));
    parallel_ranges(threads, shape.count, [&](int64_t begin, int64_t end, int thread) {
        T* const own = memory.get() + thread * (factors_size + window_size);
        const Scratch<T> scratch{listed.get() + thread * round_up(n + 1, 64), own, own + factors_size};
        for (int64_t example = begin; example < end; ++example) {
            run_example(job, example, scratch);
        }
    });
}

template decltype(conv_unit_jvp_thin<float>) conv_unit_jvp_thin<float>;
template decltype(conv_unit_jvp_thin<double>) conv_unit_jvp_thin<double>;

}  // namespace fwdad::FWDAD_ISA
