// float: vector polynomials, a few units in the last place. double: the C library, entry by entry, for it serves as
// truth.
#include "activation.hpp"

#include <math.h>
#include <string.h>

#include "exponential.hpp"
#include "philox.hpp"

namespace fwdad::FWDAD_ISA {
namespace {

template <class T>
struct Both {
    T value;
    T slope;
};

// ------------------------------------------------------------------------------------------------------------- float

FWDAD_INLINE Float magnitude(Float z) { return reinterpret_cast<Float>(reinterpret_cast<Word>(z) & 0x7FFFFFFFu); }

// The sigmoid of z and of -z, and the product of the two, which is its derivative.
struct Sigmoid {
    Float of_z;
    Float of_minus_z;
    Float slope;
    Float e;  // exp(-|z|)
};

FWDAD_INLINE Sigmoid sigmoid_parts(Float z) {
    const Float e = exp_of_negative(-magnitude(z));
    const Float large = 1.0f / (1.0f + e);
    const Float small = e * large;
    return {z < 0.0f ? small : large, z < 0.0f ? large : small, small * large, e};
}

FWDAD_INLINE Both<Float> identity(Float z) { return {z, splat(1.0f)}; }

FWDAD_INLINE Both<Float> relu(Float z) { return {z <= 0.0f ? Float{} : z, z > 0.0f ? splat(1.0f) : Float{}}; }

FWDAD_INLINE Both<Float> tanh(Float z) {
    // With e = exp(-2 |z|): tanh |z| = (1 - e) / (1 + e), derivative 4 e / (1 + e)^2.
    const Float x = -2.0f * magnitude(z);
    const Exponential power = exponential(x);
    const Float minus_e_minus_1 = -fma(power.scale, power.p, power.scale - 1.0f);
    const Float e = whole(power, x);
    const Float inverse = 1.0f / (1.0f + e);
    const Word sign = reinterpret_cast<Word>(z);
    return {flip_sign(minus_e_minus_1 * inverse, sign), 4.0f * e * inverse * inverse};
}

FWDAD_INLINE Both<Float> sigmoid(Float z) {
    const Sigmoid s = sigmoid_parts(z);
    return {s.of_z, s.slope};
}

FWDAD_INLINE Both<Float> softplus(Float z) {
    // log1p(e) / e for e in [0, 1]: error 5.2e-9, relative.
    constexpr float terms[] = {1.0f,           -0x1.ffffd2p-2f, 0x1.554dd0p-2f, -0x1.ff23e8p-3f,
                               0x1.934b6ep-3f, -0x1.3a43e0p-3f, 0x1.b4b094p-4f, -0x1.d6b760p-5f,
                               0x1.492126p-6f, -0x1.af5e50p-9f};
    const Sigmoid s = sigmoid_parts(z);
    return {fma(s.e, horner(s.e, terms), z <= 0.0f ? Float{} : z), s.of_z};
}

FWDAD_INLINE Both<Float> silu(Float z) {
    const Sigmoid s = sigmoid_parts(z);
    return {z * s.of_z, s.of_z * fma(z, s.of_minus_z, splat(1.0f))};
}

FWDAD_INLINE Both<Float> gelu(Float z) {
    // exp(a^2) erfc(a) / 2, a = |z| / sqrt(2), in t = 1 / (1 + 0.3 a): error 1.7e-8, relative.
    constexpr float terms[] = {-0x1.9d2af4p-17f, 0x1.5b65e6p-4f, 0x1.56ad5ap-4f,  0x1.4e2914p-4f, 0x1.653d3ap-4f,
                               -0x1.771584p-7f,  0x1.dc48e0p-3f, -0x1.cf8334p-3f, 0x1.d818c0p-3f, -0x1.0046cep-4f};
    const Float t = 1.0f / fma(magnitude(z), splat(0.212132034f), splat(1.0f));
    const Float e = exp_of_negative(-0.5f * z * z);
    const Float tail = e * horner(t, terms);  // Phi(-|z|)
    const Float phi = z < 0.0f ? tail : 1.0f - tail;
    return {z * phi, fma(z, 0.398942280f * e, phi)};
}

// ------------------------------------------------------------------------------------------------------------ double

double exact_sigmoid(double z) {
    const double e = exp(-fabs(z));
    return (z < 0 ? e : 1) / (1 + e);
}

Both<double> identity(double z) { return {z, 1}; }

Both<double> relu(double z) { return {z <= 0 ? 0 : z, z > 0 ? 1.0 : 0.0}; }

Both<double> tanh(double z) { return {::tanh(z), 4 * exact_sigmoid(2 * z) * exact_sigmoid(-2 * z)}; }

Both<double> sigmoid(double z) { return {exact_sigmoid(z), exact_sigmoid(z) * exact_sigmoid(-z)}; }

Both<double> softplus(double z) { return {(z <= 0 ? 0 : z) + log1p(exp(-fabs(z))), exact_sigmoid(z)}; }

Both<double> silu(double z) {
    const double s = exact_sigmoid(z);
    return {z * s, s * (1 + z * exact_sigmoid(-z))};
}

Both<double> gelu(double z) {
    const double phi = 0.5 * erfc(-z * 0.70710678118654752440);
    return {z * phi, phi + z * exp(-0.5 * z * z) * 0.39894228040143267794};
}

// -------------------------------------------------------------------------------------------------------------- rows

template <class F>
void each(F both, int64_t n, const float* z, float* y, float* slope) {
    constexpr int width = lanes<float>;
    int64_t j = 0;
    for (; j + width <= n; j += width) {
        const Both<Float> result = both(load(z + j));
        store(y + j, result.value);
        if (slope != nullptr) {
            store(slope + j, result.slope);
        }
    }
    if (j < n) {
        const size_t rest = static_cast<size_t>(n - j) * sizeof(float);
        float padded[width] = {};
        memcpy(padded, z + j, rest);
        const Both<Float> result = both(load(padded));
        store(padded, result.value);
        memcpy(y + j, padded, rest);
        if (slope != nullptr) {
            store(padded, result.slope);
            memcpy(slope + j, padded, rest);
        }
    }
}

template <class F>
void each(F both, int64_t n, const double* z, double* y, double* slope) {
    for (int64_t j = 0; j < n; ++j) {
        const Both<double> result = both(z[j]);
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
        case Activation::identity:
            return each([](auto v) { return identity(v); }, n, z, y, slope);
        case Activation::relu:
            return each([](auto v) { return relu(v); }, n, z, y, slope);
        case Activation::tanh:
            return each([](auto v) { return tanh(v); }, n, z, y, slope);
        case Activation::sigmoid:
            return each([](auto v) { return sigmoid(v); }, n, z, y, slope);
        case Activation::softplus:
            return each([](auto v) { return softplus(v); }, n, z, y, slope);
        case Activation::silu:
            return each([](auto v) { return silu(v); }, n, z, y, slope);
        case Activation::gelu:
            return each([](auto v) { return gelu(v); }, n, z, y, slope);
    }
}

template void activate(Activation, int64_t, const float*, float*, float*);
template void activate(Activation, int64_t, const double*, double*, double*);

}  // namespace fwdad::FWDAD_ISA
