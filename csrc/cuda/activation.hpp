// An activation and its derivative, together. float: polynomials, a few units in the last place, as on the CPU
// (csrc/cpu/activation.cpp says what they approximate). double: the C library, for it serves as truth.
#pragma once

#include "arithmetic.hpp"
#include "kernels.hpp"

namespace fwdad::cuda {

template <class T>
struct Both {
    T value;
    T slope;
};

// exp(x) = scale (1 + p) for x <= 0; p is accurate near zero.
struct Exponential {
    float scale;
    float p;
};

constexpr float lowest = -87.0f;  // exp of less would leave the normal range, and is taken for zero

FWDAD_DEVICE Exponential exponential(float x) {
    constexpr float terms[] = {0x1.fffffep-2f, 0x1.5554b4p-3f, 0x1.5556f2p-5f, 0x1.12256cp-7f, 0x1.6b9ce8p-10f};
    x = x < lowest ? lowest : x;        // NaN stays
    constexpr float magic = 0x1.8p23f;  // adding it rounds to an integer, which is then in the low bits
    const float shifted = fmaf(x, 0x1.715476p+0f, magic);
    const float n = shifted - magic;
    float r = fmaf(n, -0x1.62e4p-1f, x);
    r = fmaf(n, -0x1.7f7d1cp-20f, r);
    const uint32_t power = (bits_of(shifted) - 0x4B400000u + 127u) << 23;
    return {float_of(power), fmaf(r * r, horner(r, terms), r)};
}

FWDAD_DEVICE float whole(const Exponential& e, float x) { return x < lowest ? 0.0f : fmaf(e.scale, e.p, e.scale); }

FWDAD_DEVICE float exp_of_negative(float x) { return whole(exponential(x), x); }

// The sigmoid of z and of -z, and the product of the two, which is its derivative.
template <class T>
struct Sigmoid {
    T of_z;
    T of_minus_z;
    T slope;
    T e;  // exp(-|z|)
};

FWDAD_DEVICE float exp_of_minus_size(float z) { return exp_of_negative(-fabsf(z)); }
FWDAD_DEVICE double exp_of_minus_size(double z) { return exp(-fabs(z)); }

template <class T>
FWDAD_DEVICE Sigmoid<T> sigmoid(T z) {
    const T e = exp_of_minus_size(z);
    const T large = T(1) / (T(1) + e);
    const T small = e * large;
    return {z < T(0) ? small : large, z < T(0) ? large : small, small * large, e};
}

FWDAD_DEVICE Both<float> tanh_both(float z) {
    // With e = exp(-2 |z|): tanh |z| = (1 - e) / (1 + e), derivative 4 e / (1 + e)^2.
    const float x = -2.0f * fabsf(z);
    const Exponential power = exponential(x);
    const float one_minus_e = -fmaf(power.scale, power.p, power.scale - 1.0f);
    const float e = whole(power, x);
    const float inverse = 1.0f / (1.0f + e);
    return {flip_sign(one_minus_e * inverse, bits_of(z)), 4.0f * e * inverse * inverse};
}
FWDAD_DEVICE Both<double> tanh_both(double z) { return {tanh(z), 4 * sigmoid(2 * z).slope}; }

FWDAD_DEVICE float log1p_of(float e) {  // for e in [0, 1]
    constexpr float terms[] = {1.0f,           -0x1.ffffd2p-2f, 0x1.554dd0p-2f, -0x1.ff23e8p-3f,
                               0x1.934b6ep-3f, -0x1.3a43e0p-3f, 0x1.b4b094p-4f, -0x1.d6b760p-5f,
                               0x1.492126p-6f, -0x1.af5e50p-9f};
    return e * horner(e, terms);
}
FWDAD_DEVICE double log1p_of(double e) { return log1p(e); }

FWDAD_DEVICE Both<float> gelu_both(float z) {
    constexpr float terms[] = {-0x1.9d2af4p-17f, 0x1.5b65e6p-4f, 0x1.56ad5ap-4f,  0x1.4e2914p-4f, 0x1.653d3ap-4f,
                               -0x1.771584p-7f,  0x1.dc48e0p-3f, -0x1.cf8334p-3f, 0x1.d818c0p-3f, -0x1.0046cep-4f};
    const float t = 1.0f / fmaf(fabsf(z), 0.212132034f, 1.0f);
    const float e = exp_of_negative(-0.5f * z * z);
    const float tail = e * horner(t, terms);  // Phi(-|z|)
    const float phi = z < 0.0f ? tail : 1.0f - tail;
    return {z * phi, fmaf(z, 0.398942280f * e, phi)};
}
FWDAD_DEVICE Both<double> gelu_both(double z) {
    const double phi = 0.5 * erfc(-z * 0.70710678118654752440);
    return {z * phi, phi + z * exp(-0.5 * z * z) * 0.39894228040143267794};
}

template <class T>
FWDAD_DEVICE Both<T> activate(Activation activation, T z) {
    switch (activation) {
        case Activation::identity:
            break;
        case Activation::relu:
            return {z <= T(0) ? T(0) : z, z > T(0) ? T(1) : T(0)};
        case Activation::tanh:
            return tanh_both(z);
        case Activation::sigmoid: {
            const Sigmoid<T> s = sigmoid(z);
            return {s.of_z, s.slope};
        }
        case Activation::softplus: {
            const Sigmoid<T> s = sigmoid(z);
            return {(z <= T(0) ? T(0) : z) + log1p_of(s.e), s.of_z};
        }
        case Activation::silu: {
            const Sigmoid<T> s = sigmoid(z);
            return {z * s.of_z, s.of_z * multiply_add(z, s.of_minus_z, T(1))};
        }
        case Activation::gelu:
            return gelu_both(z);
    }
    return {z, T(1)};
}

}  // namespace fwdad::cuda
