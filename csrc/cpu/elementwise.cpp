// Each entry sees the same operations wherever it lies and whichever thread computes it: what is left at the end of a
// tile goes through a register too.
#include "elementwise.hpp"

#include <math.h>
#include <string.h>

#include "activation.hpp"
#include "exponential.hpp"
#include "run.hpp"
#include "simd.hpp"
#include "stream_store.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

// Entries of a tile: so many that each tangent is read in stretches of several pages, since between stretches memory
// waits; so few that the derivative stays in the second-level cache, and that small arrays are shared out to all
// threads.
constexpr int64_t largest_tile = 16384;

int64_t tile_of(int64_t n) { return most(1024, least(largest_tile, round_up(n / 16, 1024))); }

// The first `count` entries of a register, count < lanes<T>; the others are 0.
template <class T>
FWDAD_INLINE Vector<T> load_part(const T* p, int64_t count) {
    T entries[lanes<T>] = {};
    memcpy(entries, p, static_cast<size_t>(count) * sizeof(T));
    return load(entries);
}

template <class T>
FWDAD_INLINE void store_part(T* p, Vector<T> v, int64_t count) {
    T entries[lanes<T>];
    store(entries, v);
    memcpy(p, entries, static_cast<size_t>(count) * sizeof(T));
}

// The last `count` entries of n, in the last lanes or the first; the others are 0.
template <class T>
FWDAD_INLINE Vector<T> load_last(const T* p, int64_t count, int64_t n) {
    if (n < lanes<T>) {
        return load_part(p, count);
    }
    const Vector<T> all = load(p + count - lanes<T>);
    decltype(all < all) lane = {};
#pragma GCC unroll 16
    for (int l = 0; l < lanes<T>; ++l) {
        lane[l] = l;
    }
    return lane >= lanes<T> - static_cast<int>(count) ? all : Vector<T>{};
}

// out[j] = entry(j), j < n, where `entry` is given what loads from an array at j. With Past, whole lines go past the
// caches.
template <bool Past, class T, class Entry>
void write(int64_t n, T* out, const Entry& entry) {
    constexpr int width = lanes<T>;
    const auto part = [&](int64_t j, int64_t count) {
        store_part(out + j, entry([&](const T* p) { return load_part(p + j, count); }), count);
    };
    int64_t j = 0;
    if constexpr (Past) {
        const auto offset = reinterpret_cast<uintptr_t>(out) / sizeof(T) % width;
        j = least(n, static_cast<int64_t>((width - offset) % width));
        part(0, j);
    }
    for (; j + width <= n; j += width) {
        const Vector<T> value = entry([&](const T* p) { return load(p + j); });
        if constexpr (Past) {
            store_past(out + j, value);
        } else {
            store(out + j, value);
        }
    }
    part(j, n - j);
}

template <class T, class Entry>
void write(bool past, int64_t n, T* out, const Entry& entry) {
    past ? write<true>(n, out, entry) : write<false>(n, out, entry);
}

// Whether k results of n entries are so large that nothing of them would be found in the caches again.
template <class T>
bool goes_past(int64_t k, int64_t n) {
    return k * n * static_cast<int64_t>(sizeof(T)) > last_level_cache() / 2;
}

// Call f(first, count) for tiles that make up [0, n).
template <class F>
void for_tiles(int64_t n, double work, const F& f) {
    const int64_t tile = tile_of(n);
    const int64_t tiles = blocks_of(n, tile);
    parallel_ranges(threads_for(tiles, work), tiles, [&](int64_t begin, int64_t end, int) {
        for (int64_t t = begin; t < end; ++t) {
            f(t * tile, least(tile, n - t * tile));
        }
        fence_past();
    });
}

// sum_j w[j] v[j], j < n: four sums a lane.
template <class T>
T dot(int64_t n, const T* w, const T* v) {
    constexpr int width = lanes<T>;
    Vector<T> sums[4] = {};
    int64_t j = 0;
    for (; j + 4 * width <= n; j += 4 * width) {
#pragma GCC unroll 4
        for (int s = 0; s < 4; ++s) {
            sums[s] = fma(load(w + j + s * width), load(v + j + s * width), sums[s]);
        }
    }
    for (; j + width <= n; j += width) {
        sums[0] = fma(load(w + j), load(v + j), sums[0]);
    }
    if (j < n) {
        sums[1] = fma(load_last(w + j, n - j, n), load_last(v + j, n - j, n), sums[1]);
    }
    return sum_of_lanes<T>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// The largest of z[j], j < n, n > 0.
template <class T>
T largest(int64_t n, const T* z) {
    constexpr int width = lanes<T>;
    Vector<T> tops = splat(z[0]);
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        const Vector<T> some = load(z + j);
        tops = some > tops ? some : tops;
    }
    T top = z[0];
    for (int lane = 0; lane < width; ++lane) {
        top = tops[lane] > top ? tops[lane] : top;
    }
    for (; j < n; ++j) {
        top = z[j] > top ? z[j] : top;
    }
    return top;
}

// p[j] = exp(z[j] - top), j < n; returns their sum. z - top is never positive; NaN stays.
double exponentials(int64_t n, const double* z, double top, double* p) {
    double total = 0;
    for (int64_t j = 0; j < n; ++j) {
        p[j] = exp(z[j] - top);
        total += p[j];
    }
    return total;
}

double exponentials(int64_t n, const float* z, float top, float* p) {
    constexpr int width = lanes<float>;
    Double sums[2] = {};
    const auto add = [&](const float* entries) {
        sums[0] += load_double(entries);
        sums[1] += load_double(entries + width / 2);
    };
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        store(p + j, exp_of_negative(load(z + j) - splat(top)));
        add(p + j);
    }
    if (j < n) {
        float rest[width];
        store(rest, exp_of_negative(load_part(z + j, n - j) - splat(top)));
        memset(rest + n - j, 0, static_cast<size_t>(width - (n - j)) * sizeof(float));
        memcpy(p + j, rest, static_cast<size_t>(n - j) * sizeof(float));
        add(rest);
    }
    return sum_of_lanes<double>(sums[0] + sums[1]);
}

}  // namespace

template <class T>
void activation_jvp(Activation activation, int64_t k, int64_t n, const T* x, const T* dx, T* y, T* dy) {
    const bool past = goes_past<T>(k, n);
    const double work = static_cast<double>(n) * static_cast<double>(k + 8) / 4;
    for_tiles(n, work, [&](int64_t first, int64_t count) {
        alignas(register_bytes) T slope[largest_tile];
        activate(activation, count, x + first, y + first, slope);
        for (int64_t i = 0; i < k; ++i) {
            const int64_t at = i * n + first;
            write(past, count, dy + at, [&](const auto& load_at) { return load_at(slope) * load_at(dx + at); });
        }
    });
}

template <class T>
void scaled_tangents(int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out) {
    const bool past = goes_past<T>(k, n);
    const double work = static_cast<double>(n) * static_cast<double>(k) / 4;
    for_tiles(n, work, [&](int64_t first, int64_t count) {
        for (int64_t i = 0; i < k; ++i) {
            const int64_t at = i * n + first;
            if (b == nullptr) {
                write(past, count, out + at,
                      [&](const auto& load_at) { return load_at(a + first) * load_at(dx + at); });
            } else {
                write(past, count, out + at, [&](const auto& load_at) {
                    return fma(load_at(a + first), load_at(dx + at), load_at(b + first) * load_at(dy + at));
                });
            }
        }
    });
}

template <class T>
void axpby(int64_t n, T a, const T* x, T b, const T* y, T* out) {
    const bool past = goes_past<T>(1, n);
    for_tiles(n, static_cast<double>(n) / 2, [&](int64_t first, int64_t count) {
        write(past, count, out + first,
              [&](const auto& load_at) { return splat(a) * load_at(x + first) + splat(b) * load_at(y + first); });
    });
}

template <class T>
void weighted_rows(int64_t k, int64_t rows, int64_t n, const T* w, const T* dx, T* out) {
    const double work = static_cast<double>(k * rows) * static_cast<double>(n + 8) / 8;
    parallel_ranges(threads_for(rows, work), rows, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t r = begin; r < end; ++r) {
                out[i * rows + r] = dot(n, w + r * n, dx + (i * rows + r) * n);
            }
        }
    });
}

template <class T>
void cross_entropy_jvp(int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels, const T* dz, T* loss,
                       T* dloss) {
    // Of all rows, so that each tangent is read from one end to the other.
    const Buffer<T> weights(rows * n);
    const double work = static_cast<double>(rows * n) * static_cast<double>(k + 16) / 8;
    parallel_ranges(threads_for(rows, work), rows, [&](int64_t begin, int64_t end, int) {
        for (int64_t r = begin; r < end; ++r) {
            const T* row = z + r * n;
            T* p = weights.get() + r * n;
            const T top = largest(n, row);
            const double total = exponentials(n, row, top, p);
            loss[r] = static_cast<T>(log(total) + static_cast<double>(top - row[labels[r]]));
            const T inverse = static_cast<T>(1 / total);
            for (int64_t j = 0; j < n; ++j) {
                p[j] *= inverse;
            }
            p[labels[r]] -= 1;  // exact to half a unit of 1, as all of dloss is
        }
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t r = begin; r < end; ++r) {
                dloss[i * rows + r] = dot(n, weights.get() + r * n, dz + (i * rows + r) * n);
            }
        }
    });
}

template void activation_jvp(Activation, int64_t, int64_t, const float*, const float*, float*, float*);
template void activation_jvp(Activation, int64_t, int64_t, const double*, const double*, double*, double*);
template void scaled_tangents(int64_t, int64_t, const float*, const float*, const float*, const float*, float*);
template void scaled_tangents(int64_t, int64_t, const double*, const double*, const double*, const double*, double*);
template void axpby(int64_t, float, const float*, float, const float*, float*);
template void axpby(int64_t, double, const double*, double, const double*, double*);
template void weighted_rows(int64_t, int64_t, int64_t, const float*, const float*, float*);
template void weighted_rows(int64_t, int64_t, int64_t, const double*, const double*, double*);
template void cross_entropy_jvp(int64_t, int64_t, int64_t, const float*, const int64_t*, const float*, float*, float*);
template void cross_entropy_jvp(int64_t, int64_t, int64_t, const double*, const int64_t*, const double*, double*,
                                double*);

}  // namespace fwdad::FWDAD_ISA
