// For each row of x a list of the entries that are not zero, and then the rows of w that it names, scaled and added up
// in registers, a panel of columns at a time: a panel's part of w stays in the second-level cache while rows pass by.
#include "arguments.hpp"
#include "shared/partial.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

constexpr int panel_vectors = registers == 32 ? 16 : 8;
constexpr int64_t rows_at_once = 256;

template <class T>
struct Lists {
    int64_t* places;  // (rows, p), of each row as many as are not zero
    T* entries;       // (rows, p)
    int64_t* counts;  // (rows)
};

template <class T>
void make_lists(const In<T, 2>& x, int64_t first, int64_t rows, const Lists<T>& lists) {
    const int64_t p = x.shape[1];
    for (int64_t r = 0; r < rows; ++r) {
        const T* const from = x.data + (first + r) * p;
        int64_t* const places = lists.places + r * p;
        int64_t count = 0;
        for (int64_t i = 0; i < p; ++i) {
            places[count] = i;
            count += from[i] != 0 ? 1 : 0;
        }
        for (int64_t i = 0; i < count; ++i) {
            lists.entries[r * p + i] = from[places[i]];
        }
        lists.counts[r] = count;
    }
}

// out[0 .. Vectors * lanes) = sum of entries[i] w[places[i], :]
template <int Vectors, class T>
void add_rows(int64_t count, const int64_t* places, const T* entries, const T* w, int64_t n, T* out) {
    Vector<T> sum[Vectors] = {};
    for (int64_t i = 0; i < count; ++i) {
        const T* const row = w + places[i] * n;
        const Vector<T> factor = splat(entries[i]);
#pragma GCC unroll 16
        for (int v = 0; v < Vectors; ++v) {
            sum[v] = fma(factor, load(row + v * lanes<T>), sum[v]);
        }
    }
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v) {
        store(out + v * lanes<T>, sum[v]);
    }
}

// The columns from j on, by panels; a narrower one at the end, which reaches back so that it is full. Returns how far:
// to the end, unless there is less than a register.
template <int Vectors, class T>
int64_t multiply_panels(const In<T, 2>& w, int64_t rows, const Lists<T>& lists, int64_t j, T* out) {
    constexpr int64_t width = Vectors * lanes<T>;
    const int64_t p = w.shape[0];
    const int64_t n = w.shape[1];
    while (n - j > (Vectors > 1 ? width / 2 : 0) && n >= width) {
        const int64_t first = min(j, n - width);
        for (int64_t r = 0; r < rows; ++r) {
            add_rows<Vectors>(lists.counts[r], lists.places + r * p, lists.entries + r * p, w.data + first, n,
                              out + r * n + first);
        }
        j = first + width;
    }
    if constexpr (Vectors > 1) {
        return multiply_panels<Vectors / 2>(w, rows, lists, j, out);
    }
    return j;
}

template <class T>
void multiply_rows(const In<T, 2>& w, int64_t rows, const Lists<T>& lists, T* out) {
    const int64_t p = w.shape[0];
    const int64_t n = w.shape[1];
    if (multiply_panels<panel_vectors>(w, rows, lists, 0, out) == n) {
        return;
    }
    for (int64_t r = 0; r < rows; ++r) {
        Vector<T> sum{};
        for (int64_t i = 0; i < lists.counts[r]; ++i) {
            sum = fma(splat(lists.entries[r * p + i]), load_part(w.data + lists.places[r * p + i] * n, n), sum);
        }
        store_part(out + r * n, sum, n);
    }
}

}  // namespace

template <class T>
void sparse_product(In<T, 2> x, In<T, 2> w, Out<T, 2> out) {
    const int64_t p = x.shape[1];
    const int64_t n = w.shape[1];
    const int64_t tasks = blocks_of(x.shape[0], rows_at_once);
    const double work = static_cast<double>(x.shape[0] * p) * static_cast<double>(n + 32) / 128;
    const int threads = threads_for(tasks, work);
    const int64_t size = rows_at_once * max(1, p);
    const Buffer<int64_t> places(threads * size);
    const Buffer<T> entries(threads * size);
    parallel_ranges(threads, tasks, [&](int64_t begin, int64_t end, int t) {
        int64_t counts[rows_at_once];
        const Lists<T> lists{places.get() + t * size, entries.get() + t * size, counts};
        for (int64_t task = begin; task < end; ++task) {
            const int64_t first = task * rows_at_once;
            const int64_t rows = min(rows_at_once, x.shape[0] - first);
            make_lists(x, first, rows, lists);
            multiply_rows(w, rows, lists, out.data + first * n);
        }
    });
}

template decltype(sparse_product<float>) sparse_product<float>;
template decltype(sparse_product<double>) sparse_product<double>;

}  // namespace fwdad::FWDAD_ISA
