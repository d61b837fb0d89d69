// The activations, once for both machines: value and derivative together, in a function for each row of
// FWDAD_ACTIVATIONS (arguments.hpp). V is a float or a vector of them: polynomials, a few units in the last place; or a
// double: the C library's functions, for it serves as truth. python/fwdad/kernels has the reference.
#pragma once

#include <math.h>

#include "arguments.hpp"

namespace fwdad::FWDAD_MACHINE {

template <class V>
struct ValueAndSlope {
    V value;
    V slope;
};

template <class V>
FWDAD_FUNCTION V positive_part(V z) {
    return z <= 0.0f ? V{} : z;  // NaN stays
}

FWDAD_FUNCTION double exp_of_negative(double x) { return exp(x); }
FWDAD_FUNCTION double magnitude(double z) { return fabs(z); }

// The sigmoid of z and of -z.
template <class V>
struct Sigmoid {
    V of_z;
    V of_minus_z;
    V e;  // exp(-|z|)
};

FWDAD_FUNCTION double small_sigmoid(double e, double) { return e / (1 + e); }
template <class V>
FWDAD_FUNCTION V small_sigmoid(V e, V large) {
    return e * large;
}

template <class V>
FWDAD_FUNCTION Sigmoid<V> sigmoids(V z) {
    const V e = exp_of_negative(-magnitude(z));
    const V large = 1.0f / (1.0f + e);
    const V small = small_sigmoid(e, large);
    return {z < 0.0f ? small : large, z < 0.0f ? large : small, e};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> identity(V z) {
    return {z, constant<V>(1.0f)};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> relu(V z) {
    return {positive_part(z), z > 0.0f ? constant<V>(1.0f) : V{}};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> tanh(V z) {
    // With e = exp(-2 |z|): tanh |z| = (1 - e) / (1 + e), derivative 4 e / (1 + e)^2.
    const V x = -2.0f * magnitude(z);
    const Exponential<V> parts = exponential(x);
    const V one_minus_e = -multiply_add(parts.scale, parts.p, parts.scale - 1.0f);
    const V e = exp_of_parts(parts, x);
    const V inverse = 1.0f / (1.0f + e);
    return {flip_sign(one_minus_e * inverse, bits_of(z)), 4.0f * e * inverse * inverse};
}
FWDAD_FUNCTION ValueAndSlope<double> tanh(double z) {
    const Sigmoid<double> s = sigmoids(2 * z);
    return {::tanh(z), 4 * s.of_z * s.of_minus_z};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> sigmoid(V z) {
    const Sigmoid<V> s = sigmoids(z);
    return {s.of_z, s.of_z * s.of_minus_z};
}

// base + log(1 + e) for e in [0, 1].
template <class V>
FWDAD_FUNCTION V add_log1p(V base, V e) {
    // log1p(e) / e: error 5.2e-9, relative.
    constexpr float terms[] = {1.0f,           -0x1.ffffd2p-2f, 0x1.554dd0p-2f, -0x1.ff23e8p-3f,
                               0x1.934b6ep-3f, -0x1.3a43e0p-3f, 0x1.b4b094p-4f, -0x1.d6b760p-5f,
                               0x1.492126p-6f, -0x1.af5e50p-9f};
    return multiply_add(e, horner(e, terms), base);
}
FWDAD_FUNCTION double add_log1p(double base, double e) { return base + log1p(e); }

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> softplus(V z) {
    const Sigmoid<V> s = sigmoids(z);
    return {add_log1p(positive_part(z), s.e), s.of_z};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> silu(V z) {
    const Sigmoid<V> s = sigmoids(z);
    return {z * s.of_z, s.of_z * multiply_add(z, s.of_minus_z, constant<V>(1.0f))};
}

template <class V>
FWDAD_FUNCTION ValueAndSlope<V> gelu(V z) {
    // exp(a^2) erfc(a) / 2, a = |z| / sqrt(2), in t = 1 / (1 + 0.3 a): error 1.7e-8, relative.
    constexpr float terms[] = {-0x1.9d2af4p-17f, 0x1.5b65e6p-4f, 0x1.56ad5ap-4f,  0x1.4e2914p-4f, 0x1.653d3ap-4f,
                               -0x1.771584p-7f,  0x1.dc48e0p-3f, -0x1.cf8334p-3f, 0x1.d818c0p-3f, -0x1.0046cep-4f};
    const V t = 1.0f / multiply_add(magnitude(z), constant<V>(0.212132034f), constant<V>(1.0f));
    const V e = exp_of_negative(-0.5f * z * z);
    const V tail = e * horner(t, terms);  // Phi(-|z|)
    const V phi = z < 0.0f ? tail : 1.0f - tail;
    return {z * phi, multiply_add(z, 0.398942280f * e, phi)};
}
FWDAD_FUNCTION ValueAndSlope<double> gelu(double z) {
    const double phi = 0.5 * erfc(-z * 0.70710678118654752440);
    return {z * phi, phi + z * exp(-0.5 * z * z) * 0.39894228040143267794};
}

}  // namespace fwdad::FWDAD_MACHINE
