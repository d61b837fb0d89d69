// Eight rows of w at a time, from their first column to the last: a tile of x^T g is summed in registers, and w and v,
// fetched meanwhile, meet it before it leaves the first-level cache. The panels of g are packed once and stay in the
// second-level cache.
#include "arguments.hpp"
#include "shared/elementwise.hpp"
#include "shared/pack.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

template <class T>
struct Update {
    int64_t n;
    const T *w, *v;  // (p, n); v may be null
    T rate, momentum;
    T *w_new, *v_new;  // (p, n); v_new may be null
    bool uncached;
};

// Where a tile is: `rows` rows from entry `first` on, n entries apart, of `columns` entries each.
struct Place {
    int64_t first, rows, columns;
};

// tile [tile_rows][tile_columns] = left^T right of [depth][tile_rows] and [depth][tile_columns]; only the first
// `Vectors` registers of a row.
template <int Vectors, class T>
void multiply(const T* left, const T* right, int64_t depth, T* tile) {
    Vector<T> sum[tile_rows][Vectors] = {};
    for (int64_t i = 0; i < depth; ++i, left += tile_rows, right += tile_columns<T>) {
        add_outer<Vectors>(right, [&](int r) { return left[r]; }, sum);
    }
    store_tile<Vectors>(sum, tile);
}

// Fetch the entries of w and v that the tile's sums will meet.
template <class T>
void fetch(const Update<T>& update, const Place& at) {
    constexpr int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    for (int64_t r = 0; r < at.rows; ++r) {
        for (int64_t j = 0; j < at.columns; j += line) {
            __builtin_prefetch(update.w + at.first + r * update.n + j, 0, 2);
            if (update.v != nullptr) {
                __builtin_prefetch(update.v + at.first + r * update.n + j, 0, 2);
            }
        }
    }
}

// The entries of one register, from `entry` on, whose sums are those of x^T g.
template <class T, class Load, class Store>
FWDAD_INLINE void finish(const Update<T>& update, int64_t entry, Vector<T> sum, const Load& load_at,
                         const Store& store_at) {
    if (update.v != nullptr) {
        sum = fma(splat(update.momentum), load_at(update.v + entry), sum);
    }
    if (update.v_new != nullptr) {
        store_at(update.v_new + entry, sum);
    }
    store_at(update.w_new + entry, fma(splat(-update.rate), sum, load_at(update.w + entry)));
}

// v_new and w_new of a tile of x^T g. The arguments are a copy, which stores cannot change: it stays in registers.
template <class T>
void finish(const Update<T> update, const Place& at, const T* tile) {
    for (int64_t r = 0; r < at.rows; ++r, tile += tile_columns<T>) {
        const int64_t entry = at.first + r * update.n;
        int64_t j = 0;
        for (; j + lanes<T> <= at.columns; j += lanes<T>) {
            finish(
                update, entry + j, load(tile + j), [](const T* p) { return load(p); },
                [&](T* p, Vector<T> z) { update.uncached ? store_uncached(p, z) : store(p, z); });
        }
        if (const int64_t count = at.columns - j; count > 0) {
            finish(
                update, entry + j, load(tile + j), [&](const T* p) { return load_part(p, count); },
                [&](T* p, Vector<T> z) { store_part(p, z, count); });
        }
    }
}

}  // namespace

template <class T>
void outer_update(In<T, 2> x, In<T, 2> g, In<T, 2> w, In<T, 2> v, T learning_rate, T momentum, Out<T, 2> w_new,
                  Out<T, 2> v_new) {
    constexpr int width = tile_columns<T>;
    const int64_t m = x.shape[0];
    const int64_t p = x.shape[1];
    const int64_t n = g.shape[1];
    const int64_t panel_count = blocks_of(n, width);
    const Buffer<T> panels(panel_count * m * width);
    parallel_ranges(threads_for(panel_count, static_cast<double>(m * n) / 8), panel_count,
                    [&](int64_t begin, int64_t end, int) {
                        for (int64_t panel = begin; panel < end; ++panel) {
                            const int64_t columns = min(width, n - panel * width);
                            pack_right(g.data + panel * width, n, 1, m, columns, panels.get() + panel * m * width);
                        }
                    });

    const auto aligned = [](const T* result) { return reinterpret_cast<uintptr_t>(result) % register_bytes == 0; };
    const bool uncached =
        exceeds_caches<T>(2, p * n) && n % lanes<T> == 0 && aligned(w_new.data) && aligned(v_new.data);
    const Update<T> update{n, w.data, v.data, learning_rate, momentum, w_new.data, v_new.data, uncached};
    const int64_t tasks = blocks_of(p, tile_rows);
    const int threads = threads_for(tasks, static_cast<double>(p * n) * static_cast<double>(m + 8) / lanes<T>);
    const int64_t left_size = round_up(m * tile_rows, 64);
    const Buffer<T> lefts(threads * left_size);
    parallel_ranges(threads, tasks, [&](int64_t begin, int64_t end, int thread) {
        T* const left = lefts.get() + thread * left_size;
        for (int64_t row = begin * tile_rows; row < min(p, end * tile_rows); row += tile_rows) {
            const int64_t rows = min(tile_rows, p - row);
            for (int64_t i = 0; i < m; ++i) {
                const T* const from = x.data + i * p + row;
                if (rows == tile_rows) {
                    memcpy(left + i * tile_rows, from, tile_rows * sizeof(T));
                } else {
                    memset(left + i * tile_rows, 0, tile_rows * sizeof(T));
                    memcpy(left + i * tile_rows, from, static_cast<size_t>(rows) * sizeof(T));
                }
            }
            for (int64_t panel = 0; panel < panel_count; ++panel) {
                const int64_t column = panel * width;
                const Place at{row * n + column, rows, min(width, n - column)};
                fetch(update, at);
                alignas(64) T tile[tile_rows * width];
                by_registers<T>(at.columns, [&](auto registers_of_row) {
                    multiply<registers_of_row.count>(left, panels.get() + panel * m * width, m, tile);
                });
                finish(update, at, tile);
            }
        }
        fence_uncached();
    });
}

template decltype(outer_update<float>) outer_update<float>;
template decltype(outer_update<double>) outer_update<double>;

}  // namespace fwdad::FWDAD_ISA
