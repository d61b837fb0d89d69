// A block solves one system; the threads share the rows of a column, and the search for the pivot.
#include "arguments.hpp"
#include "constants.hpp"
#include "shared/arithmetic.hpp"

namespace fwdad::cuda {
namespace {

template <int Threads>
struct Coefficients {
    static constexpr int threads = Threads;
    static constexpr int resident = 512 / Threads;
    static constexpr int warps = Threads / warp;

    struct Best {
        double left;
        int64_t at;
    };
    struct Shared {
        Best best[2][warps];
        int bad[warps];
    };

    // What a block works in, beside shared memory: k (k + 4) numbers.
    struct Workspace {
        double* factor;   // (k, k): column p, at p * k, holds <v_i, q_p> for the p-th orthonormal direction
        double* scale;    // (k): one over the length of direction i, or 0
        double* left;     // (k): squared length of what is not yet in the span; below zero once chosen
        double* e;        // (k)
        int64_t* chosen;  // (k): the p-th pivot
    };

    int64_t k;
    const double* grams;  // (batch, k, k)
    const double* ds;     // (batch, k)
    double* cs;           // (batch, k)
    int64_t* ranks;       // (batch)
    double* margins;      // (batch)
    double* workspaces;   // (batch, k (k + 4))

    FWDAD_DEVICE void operator()(const Block& block, Shared& shared) const {
        const int thread = block.thread();
        const double* gram = grams + block.index() * k * k;
        const double* d = ds + block.index() * k;
        double* c = cs + block.index() * k;
        double* own = workspaces + block.index() * k * (k + 4);
        const Workspace w{own, own + k * k, own + k * (k + 1), own + k * (k + 2),
                          reinterpret_cast<int64_t*>(own + k * (k + 3))};

        if (!all_finite(block, shared, gram, d)) {
            for (int64_t i = thread; i < k; i += threads) {
                c[i] = NAN;
            }
            if (thread == 0) {
                ranks[block.index()] = 0;
                margins[block.index()] = NAN;
            }
            return;
        }
        for (int64_t i = thread; i < k; i += threads) {
            const double square = gram[i * k + i];
            w.scale[i] = square > 0 ? 1 / sqrt(square) : 0;
            w.left[i] = w.scale[i] * square * w.scale[i];
            c[i] = 0;
        }
        int64_t rank = 0;
        double margin = 1;
        for (; rank < k; ++rank) {
            const Best pivot = largest(block, shared, w.left, static_cast<int>(rank % 2));
            if (!(pivot.left > rank_tolerance)) {
                margin = 0;
                break;
            }
            margin = pivot.left < margin ? pivot.left : margin;
            const double length = sqrt(pivot.left);
            double* column = w.factor + rank * k;
            for (int64_t i = thread; i < k; i += threads) {
                double along = w.scale[i] * gram[i * k + pivot.at] * w.scale[pivot.at];
                for (int64_t p = 0; p < rank; ++p) {
                    along -= w.factor[p * k + i] * w.factor[p * k + pivot.at];
                }
                const double entry = along / length;
                column[i] = entry;
                w.left[i] = i == pivot.at ? -INFINITY : w.left[i] - entry * entry;
            }
            if (thread == 0) {
                w.chosen[rank] = pivot.at;
            }
        }
        block.sync();
        // L e = d, column by column: what is known of e is taken from all that is not.
        for (int64_t p = thread; p < rank; p += threads) {
            w.e[p] = d[w.chosen[p]] * w.scale[w.chosen[p]];
        }
        for (int64_t p = 0; p < rank; ++p) {
            block.sync();
            const double known = w.e[p] / w.factor[p * k + w.chosen[p]];
            block.sync();
            for (int64_t q = p + thread; q < rank; q += threads) {
                w.e[q] = q == p ? known : w.e[q] - w.factor[p * k + w.chosen[q]] * known;
            }
        }
        // L^T c = e, from the last.
        for (int64_t p = rank - 1; p >= 0; --p) {
            block.sync();
            const double known = w.e[p] / w.factor[p * k + w.chosen[p]];
            block.sync();
            for (int64_t q = thread; q <= p; q += threads) {
                w.e[q] = q == p ? known : w.e[q] - w.factor[q * k + w.chosen[p]] * known;
            }
        }
        for (int64_t p = thread; p < rank; p += threads) {  // as in the loops above, e[p] is this thread's
            c[w.chosen[p]] = w.e[p] * w.scale[w.chosen[p]];
        }
        if (thread == 0) {
            ranks[block.index()] = rank;
            margins[block.index()] = margin;
        }
    }

 private:
    // The same answer in every thread.
    FWDAD_DEVICE bool all_finite(const Block& block, Shared& shared, const double* gram, const double* d) const {
        int bad = 0;
        for (int64_t j = block.thread(); j < k * k; j += threads) {
            bad |= isfinite(gram[j]) ? 0 : 1;
        }
        for (int64_t j = block.thread(); j < k; j += threads) {
            bad |= isfinite(d[j]) ? 0 : 1;
        }
        for (int mask = warp / 2; mask > 0; mask /= 2) {
            bad |= block.shuffle_xor(bad, mask);
        }
        if (block.thread() % warp == 0) {
            shared.bad[block.thread() / warp] = bad;
        }
        block.sync();
        for (int other = 0; other < warps; ++other) {
            bad |= shared.bad[other];
        }
        return bad == 0;
    }

    // The first of the largest entries of `left`; the same answer in every thread. `buffer` is another than in the call
    // before, in which a thread may still be reading.
    FWDAD_DEVICE Best largest(const Block& block, Shared& shared, const double* left, int buffer) const {
        Best best{-INFINITY, k};
        for (int64_t i = block.thread(); i < k; i += threads) {
            best = better(best, {left[i], i});
        }
        for (int mask = warp / 2; mask > 0; mask /= 2) {
            best = better(best, {block.shuffle_xor(best.left, mask), block.shuffle_xor(best.at, mask)});
        }
        if (block.thread() % warp == 0) {
            shared.best[buffer][block.thread() / warp] = best;
        }
        block.sync();
        for (int other = 0; other < warps; ++other) {
            best = better(best, shared.best[buffer][other]);
        }
        return best;
    }

    FWDAD_DEVICE static Best better(const Best& a, const Best& b) {
        return b.left > a.left || (b.left == a.left && b.at < a.at) ? b : a;
    }
};

template <int Threads>
void solve(const Launch& at, const In<double, 3>& gram, const In<double, 2>& d, const Out<double, 2>& c,
           const Out<int64_t, 1>& rank, const Out<double, 1>& margin) {
    const int64_t batch = d.shape[0];
    const int64_t k = d.shape[1];
    double* work = static_cast<double*>(at.scratch(batch * k * (k + 4) * static_cast<int64_t>(sizeof(double))));
    launch(at, Coefficients<Threads>{k, gram.data, d.data, c.data, rank.data, margin.data, work}, batch);
}

}  // namespace

template <class T>
void projection_coefficients(const Launch& at, In<T, 3> gram, In<T, 2> d, Out<T, 2> c, Out<int64_t, 1> rank,
                             Out<T, 1> margin) {
    (d.shape[1] <= 64 ? solve<64> : solve<256>)(at, gram, d, c, rank, margin);
}

template decltype(projection_coefficients<double>) projection_coefficients<double>;

}  // namespace fwdad::cuda
