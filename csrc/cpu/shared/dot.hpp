// The inner product of two rows.
#pragma once

#include "partial.hpp"

namespace fwdad::FWDAD_ISA {

// sum_j w[j] v[j], j < n: four sums a lane.
template <class T>
static T dot(int64_t n, const T* w, const T* v) {
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

}  // namespace fwdad::FWDAD_ISA
