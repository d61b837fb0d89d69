#include "arguments.hpp"
#include "shared/arithmetic.hpp"
#include "shared/warp.hpp"

namespace fwdad::cuda {
namespace {

// A few units of one example are a warp's: its lanes read neighbours in w, and share s v among the units.
template <class T>
struct UnitJvpThin {
    static constexpr int threads = 256;
    static constexpr int resident = sizeof(T) == 8 ? 2 : 4;  // more would spill
    static constexpr int units = 4;
    static constexpr int outputs = 4;  // at a time
    struct Shared {};

    int64_t rows, n1, n2, c;
    Matrix<T> w;  // (n1, n2)
    const T* r;   // (rows, n1)
    const T* s;   // (rows, n2)
    Matrix<T> v;  // (n2, c)
    const T* e;   // (rows, c), or null: ones
    T* d;         // (rows, n1), or (rows, n1, c)
    bool each_output;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t groups = blocks_of(n1, units);
        const int64_t task = block.index() * (threads / warp) + block.thread() / warp;
        if (task >= rows * groups) {
            return;
        }
        const Division at = divide(task, groups);
        const int64_t row = at.quotient;
        const int64_t unit0 = at.rest * units;
        const int lane = block.thread() % warp;
        T total[units] = {};
        for (int64_t output0 = 0; output0 < c; output0 += outputs) {
            T sum[units][outputs] = {};
            for (int64_t m = lane; m < n2; m += warp) {
                add(row, unit0, output0, m, sum);
            }
            FWDAD_UNROLL
            for (int i = 0; i < units; ++i) {
                FWDAD_UNROLL
                for (int j = 0; j < outputs; ++j) {
                    const int64_t output = output0 + j;
                    if (output >= c) {
                        continue;
                    }
                    const T tangent = sum_of_warp(block, sum[i][j]);
                    if (!each_output) {
                        total[i] = multiply_add(e == nullptr ? T(1) : e[row * c + output], tangent, total[i]);
                    } else if (lane == j && unit0 + i < n1) {
                        d[(row * n1 + unit0 + i) * c + output] = moved(r[row * n1 + unit0 + i], tangent);
                    }
                }
            }
        }
        FWDAD_UNROLL
        for (int i = 0; i < units; ++i) {
            if (!each_output && lane == i && unit0 + i < n1) {
                d[row * n1 + unit0 + i] = moved(r[row * n1 + unit0 + i], total[i]);
            }
        }
    }

 private:
    // What unit m of the second layer adds to the sums of all units and outputs.
    FWDAD_DEVICE void add(int64_t row, int64_t unit0, int64_t output0, int64_t m, T (&sum)[units][outputs]) const {
        const T slope = s[row * n2 + m];
        if (slope == 0) {
            return;
        }
        T factor[outputs];
        FWDAD_UNROLL
        for (int j = 0; j < outputs; ++j) {
            factor[j] = output0 + j < c ? slope * v.data[m * v.row + (output0 + j) * v.column] : T(0);
        }
        FWDAD_UNROLL
        for (int i = 0; i < units; ++i) {
            const T weight = unit0 + i < n1 ? w.data[(unit0 + i) * w.row + m * w.column] : T(0);
            FWDAD_UNROLL
            for (int j = 0; j < outputs; ++j) {
                sum[i][j] = multiply_add(factor[j], weight, sum[i][j]);
            }
        }
    }

    // slope x, and zero where the slope is.
    FWDAD_DEVICE static T moved(T slope, T x) { return slope == 0 ? T(0) : slope * x; }
};

}  // namespace

template <class T>
void unit_jvp_thin(const Launch& at, Matrix<T> w, In<T, 2> r, In<T, 2> s, Matrix<T> v, In<T, 2> e, Out<T, 3> d) {
    const int64_t rows = r.shape[0];
    const UnitJvpThin<T> kernel{rows, w.rows, w.columns, v.columns,      w, r.data, s.data,
                                v,    e.data, d.data,    d.shape[2] >= 0};
    const int64_t tasks = rows * blocks_of(w.rows, kernel.units);
    launch(at, kernel, blocks_of(tasks, kernel.threads / warp));
}

template decltype(unit_jvp_thin<float>) unit_jvp_thin<float>;
template decltype(unit_jvp_thin<double>) unit_jvp_thin<double>;

}  // namespace fwdad::cuda
