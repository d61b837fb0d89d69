#include "activate.hpp"

#include <string.h>

#include "activations.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

template <class F>
void each(F activation, int64_t n, const float* z, float* y, float* slope) {
    constexpr int width = lanes<float>;
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        const ValueAndSlope<Float> result = activation(load(z + j));
        store(y + j, result.value);
        if (slope != nullptr) {
            store(slope + j, result.slope);
        }
    }
    if (j < n) {
        const size_t rest = static_cast<size_t>(n - j) * sizeof(float);
        float padded[width] = {};
        memcpy(padded, z + j, rest);
        const ValueAndSlope<Float> result = activation(load(padded));
        store(padded, result.value);
        memcpy(y + j, padded, rest);
        if (slope != nullptr) {
            store(padded, result.slope);
            memcpy(slope + j, padded, rest);
        }
    }
}

template <class F>
void each(F activation, int64_t n, const double* z, double* y, double* slope) {
    for (int64_t j = 0; j < n; ++j) {
        const ValueAndSlope<double> result = activation(z[j]);
        y[j] = result.value;
        if (slope != nullptr) {
            slope[j] = result.slope;
        }
    }
}

}  // namespace

template <class T>
void activate(Activation activation, int64_t n, const T* z, T* y, T* slope) {
    switch (activation) {
#define FWDAD_CASE(name)   \
    case Activation::name: \
        return each([](auto v) { return name(v); }, n, z, y, slope);
        FWDAD_ACTIVATIONS(FWDAD_CASE)
#undef FWDAD_CASE
    }
}

template void activate(Activation, int64_t, const float*, float*, float*);
template void activate(Activation, int64_t, const double*, double*, double*);

}  // namespace fwdad::FWDAD_ISA
