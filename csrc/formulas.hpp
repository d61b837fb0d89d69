// Polynomials in float, once for both machines: normals, whose specification is python/fwdad/kernels/philox.py,
// operation by operation, and exponentials. V is a float or a vector of them, W its bits as unsigned integers. A
// machine defines FWDAD_MACHINE, FWDAD_FUNCTION, FWDAD_UNROLL and the operations that vectors lack, and then includes
// this file (cpu/shared/arithmetic.hpp, cuda/shared/arithmetic.hpp):
//
//     multiply_add(a, b, c)             a b + c, rounded once where the machine can
//     root(v), magnitude(v)             square root, rounded once; |v|
//     bits_of(v), float_of(w)           the same bits
//     as_signed(w), as_unsigned(i)
//     to_float(i)                       rounded
//     sign_mask(w)                      a condition for ?: , true where the top bit is set
//
// Minimax polynomials, lowest power first. Contraction is off: a fused multiply-add is where the source says so, for
// the random contract counts on single rounding.
#pragma once

namespace fwdad::FWDAD_MACHINE {

template <class V>
FWDAD_FUNCTION V constant(float value) {
    return value - V{};  // value - 0 is value, also for -0 and NaN
}

template <class V, int N>
FWDAD_FUNCTION V horner(V x, const float (&coefficients)[N]) {
    V value = constant<V>(coefficients[N - 1]);
    FWDAD_UNROLL
    for (int j = N - 2; j >= 0; --j) {
        value = multiply_add(value, x, constant<V>(coefficients[j]));
    }
    return value;
}

// Changes the sign where the top bit of the word is set.
template <class V, class W>
FWDAD_FUNCTION V flip_sign(V value, W word) {
    return float_of(bits_of(value) ^ (word & 0x80000000u));
}

// Two independent standard normals from two words.
template <class V, class W>
FWDAD_FUNCTION void normal_pair(W w0, W w1, V& first, V& second) {
    constexpr float log_terms[] = {0x1.fffffap-1f, -0x1.5556f2p-1f, 0x1.0004aep-1f, -0x1.98d330p-2f,
                                   0x1.535ac6p-2f, -0x1.317f18p-2f, 0x1.250fdap-2f, -0x1.65fda2p-3f};
    constexpr float sin_terms[] = {0x1.921fb6p-1f, -0x1.4abc24p-4f, 0x1.4680a4p-9f, -0x1.33198ep-15f};
    constexpr float cos_terms[] = {-0x1.3bd3ccp-2f, 0x1.03c1b0p-6f, -0x1.55b2b4p-12f, 0x1.d4f632p-19f};
    constexpr float minus_2_ln_2 = -0x1.62e430p+0f;

    const V u = multiply_add(to_float(as_signed(w0 >> 1)), constant<V>(0x1p-31f), constant<V>(0x1p-32f));
    const W bits = bits_of(u);
    const auto exponent = as_signed(bits - 0x3F3504F3u) >> 23;
    const V t = float_of(bits - (as_unsigned(exponent) << 23)) - 1.0f;
    const V h = multiply_add(t, horner(t, log_terms), constant<V>(-2.0f));
    const V radius = root(multiply_add(t, h, to_float(exponent) * minus_2_ln_2));

    const V angle = to_float(as_signed(w1 << 2)) * 0x1p-31f;
    const V y = angle * angle;
    const V sine = angle * horner(y, sin_terms);
    const V cosine = multiply_add(y, horner(y, cos_terms), constant<V>(1.0f));
    const W quadrant = w1 + 0x20000000u;
    const auto swap = sign_mask(quadrant << 1);
    first = radius * flip_sign(swap ? sine : cosine, quadrant + 0x40000000u);
    second = radius * flip_sign(swap ? cosine : sine, quadrant);
}

// exp(x) = scale (1 + p) for x <= 0, a few units in the last place: `scale` is a power of two, and p is accurate near
// zero.
template <class V>
struct Exponential {
    V scale;
    V p;
};

constexpr float lowest_exponent = -87.0f;  // exp of less would leave the normal range, and is taken for zero

template <class V>
FWDAD_FUNCTION Exponential<V> exponential(V x) {
    // expm1(r) = r + r^2 q(r) for |r| <= ln(2) / 2: error 1.4e-8, relative.
    constexpr float terms[] = {0x1.fffffep-2f, 0x1.5554b4p-3f, 0x1.5556f2p-5f, 0x1.12256cp-7f, 0x1.6b9ce8p-10f};
    x = x < lowest_exponent ? constant<V>(lowest_exponent) : x;  // NaN stays
    const V magic = constant<V>(0x1.8p23f);  // adding it rounds to an integer, which is then in the low bits
    const V shifted = multiply_add(x, constant<V>(0x1.715476p+0f), magic);
    const V n = shifted - magic;
    V r = multiply_add(n, constant<V>(-0x1.62e4p-1f), x);
    r = multiply_add(n, constant<V>(-0x1.7f7d1cp-20f), r);
    return {float_of((bits_of(shifted) - 0x4B400000u + 127u) << 23), multiply_add(r * r, horner(r, terms), r)};
}

template <class V>
FWDAD_FUNCTION V exp_of_parts(const Exponential<V>& e, V x) {
    return x < lowest_exponent ? V{} : multiply_add(e.scale, e.p, e.scale);
}

template <class V>
FWDAD_FUNCTION V exp_of_negative(V x) {
    return exp_of_parts(exponential(x), x);
}

}  // namespace fwdad::FWDAD_MACHINE
