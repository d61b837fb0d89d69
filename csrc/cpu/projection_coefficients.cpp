#include <math.h>
#include <string.h>

#include "arguments.hpp"
#include "constants.hpp"
#include "shared/run.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

bool all_finite(const double* values, int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
        if (!isfinite(values[j])) {
            return false;
        }
    }
    return true;
}

// Scratch memory for one matrix.
struct Workspace {
    double* factor;   // (k, k): row i holds <v_i, q_p> for the orthonormal directions q_p found so far
    double* scale;    // (k): one over the length of direction i, or 0
    double* left;     // (k): squared length of what is not yet in the span; below zero once chosen
    double* e;        // (k)
    int64_t* chosen;  // (k): the p-th pivot
};

int64_t solve(const double* gram, const double* d, int64_t k, double* c, double* margin, const Workspace& w) {
    memset(c, 0, static_cast<size_t>(k) * sizeof(double));
    for (int64_t i = 0; i < k; ++i) {
        const double square = gram[i * k + i];
        w.scale[i] = square > 0 ? 1 / sqrt(square) : 0;
        w.left[i] = w.scale[i] * square * w.scale[i];
    }
    int64_t rank = 0;
    *margin = 1;
    for (; rank < k; ++rank) {
        int64_t pivot = 0;
        for (int64_t i = 1; i < k; ++i) {
            pivot = w.left[i] > w.left[pivot] ? i : pivot;
        }
        if (!(w.left[pivot] > rank_tolerance)) {
            *margin = 0;
            break;
        }
        *margin = w.left[pivot] < *margin ? w.left[pivot] : *margin;
        const double length = sqrt(w.left[pivot]);
        const double* pivot_row = w.factor + pivot * k;
        for (int64_t i = 0; i < k; ++i) {
            double along = w.scale[i] * gram[i * k + pivot] * w.scale[pivot];
            for (int64_t p = 0; p < rank; ++p) {
                along -= w.factor[i * k + p] * pivot_row[p];
            }
            w.e[i] = along / length;
        }
        for (int64_t i = 0; i < k; ++i) {
            w.factor[i * k + rank] = w.e[i];
            w.left[i] -= w.e[i] * w.e[i];
        }
        w.left[pivot] = -INFINITY;
        w.chosen[rank] = pivot;
    }
    for (int64_t p = 0; p < rank; ++p) {  // L e = d
        const double* row = w.factor + w.chosen[p] * k;
        double sum = d[w.chosen[p]] * w.scale[w.chosen[p]];
        for (int64_t q = 0; q < p; ++q) {
            sum -= row[q] * w.e[q];
        }
        w.e[p] = sum / row[p];
    }
    for (int64_t p = rank - 1; p >= 0; --p) {  // L^T c = e
        double sum = w.e[p];
        for (int64_t q = p + 1; q < rank; ++q) {
            sum -= w.factor[w.chosen[q] * k + p] * w.e[q];
        }
        w.e[p] = sum / w.factor[w.chosen[p] * k + p];
        c[w.chosen[p]] = w.e[p] * w.scale[w.chosen[p]];
    }
    return rank;
}

}  // namespace

template <class T>
void projection_coefficients(In<T, 3> gram, In<T, 2> d, Out<T, 2> c, Out<int64_t, 1> rank, Out<T, 1> margin) {
    const int64_t batch = d.shape[0];
    const int64_t k = d.shape[1];
    const double work = static_cast<double>(batch) * static_cast<double>(k * k) * static_cast<double>(k + 8) / 3;
    const int threads = threads_for(batch, work);
    const int64_t size = round_up(k * (k + 3), 8);
    const Buffer<double> memory(threads * size);
    const Buffer<int64_t> pivots(threads * k);
    parallel_ranges(threads, batch, [&](int64_t begin, int64_t end, int thread) {
        double* own = memory.get() + thread * size;
        const Workspace workspace{own, own + k * k, own + k * (k + 1), own + k * (k + 2), pivots.get() + thread * k};
        for (int64_t b = begin; b < end; ++b) {
            const double* const own_gram = gram.data + b * k * k;
            const double* const own_d = d.data + b * k;
            double* const own_c = c.data + b * k;
            if (all_finite(own_gram, k * k) && all_finite(own_d, k)) {
                rank.data[b] = solve(own_gram, own_d, k, own_c, margin.data + b, workspace);
                continue;
            }
            for (int64_t i = 0; i < k; ++i) {
                own_c[i] = NAN;
            }
            rank.data[b] = 0;
            margin.data[b] = NAN;
        }
    });
}

template decltype(projection_coefficients<double>) projection_coefficients<double>;

}  // namespace fwdad::FWDAD_ISA
