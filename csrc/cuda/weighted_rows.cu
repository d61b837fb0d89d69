#include "arguments.hpp"
#include "shared/arithmetic.hpp"
#include "shared/warp.hpp"

namespace fwdad::cuda {
namespace {

// A row of one tangent is a warp's: its lanes read neighbours.
template <class T>
struct WeightedRows {
    static constexpr int threads = 256;
    static constexpr int resident = 6;
    struct Shared {};

    int64_t k, rows, n;
    const T* w;   // (rows, n)
    const T* dx;  // (k, rows, n)
    T* out;       // (k, rows)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t task = block.index() * (threads / warp) + block.thread() / warp;
        if (task >= k * rows) {
            return;
        }
        const int64_t row = divide(task, rows).rest;
        T sum = 0;
        for (int64_t j = block.thread() % warp; j < n; j += warp) {
            sum = multiply_add(w[row * n + j], dx[task * n + j], sum);
        }
        sum = sum_of_warp(block, sum);
        if (block.thread() % warp == 0) {
            out[task] = sum;
        }
    }
};

}  // namespace

template <class T>
void weighted_rows(const Launch& at, In<T, 2> w, In<T, 3> dx, Out<T, 2> out) {
    const int64_t k = dx.shape[0];
    const int64_t rows = w.shape[0];
    const WeightedRows<T> kernel{k, rows, w.shape[1], w.data, dx.data, out.data};
    launch(at, kernel, blocks_of(k * rows, kernel.threads / warp));
}

template decltype(weighted_rows<float>) weighted_rows<float>;
template decltype(weighted_rows<double>) weighted_rows<double>;

}  // namespace fwdad::cuda
