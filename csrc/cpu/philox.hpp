// Philox4x32-10 in 64-bit lanes, and the maps from words to normals and signs: python/fwdad/kernels/philox.py is their
// specification, operation by operation, and says what the constants are. Lanes are columns.
#pragma once

#include <stdint.h>

#include "kernels.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// The four words of `lanes<float>` columns from column0 on, for U consecutive row blocks at once: a call is a chain of
// ten dependent rounds, and 2 U independent chains (even and odd columns) keep the multipliers busy.
template <int U>
FWDAD_INLINE void philox_words(const Stream& stream, int64_t direction, uint32_t column0, uint32_t block0,
                               Word (&words)[U][4]) {
    Long even = {};
    for (int lane = 0; lane < lanes<uint64_t>; ++lane) {
        even[lane] = column0 + 2 * static_cast<uint64_t>(lane);
    }
    const uint64_t top = static_cast<uint64_t>(direction) | static_cast<uint64_t>(stream.parameter) << 16;
    Long c[2 * U][4];  // only the low half of each lane counts
#pragma GCC unroll 8
    for (int chain = 0; chain < 2 * U; ++chain) {
        c[chain][0] = even + static_cast<uint64_t>(chain % 2);
        c[chain][1] = Long{} + (block0 + static_cast<uint64_t>(chain / 2));
        c[chain][2] = Long{} + static_cast<uint64_t>(stream.step);
        c[chain][3] = Long{} + top;
    }
    uint32_t key0 = static_cast<uint32_t>(stream.seed);
    uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
#pragma GCC unroll 10
    for (int turn = 0; turn < 10; ++turn) {
#pragma GCC unroll 8
        for (int chain = 0; chain < 2 * U; ++chain) {
            const Long p0 = widening_product(c[chain][0], 0xD2511F53u);
            const Long p1 = widening_product(c[chain][2], 0xCD9E8D57u);
            c[chain][0] = (p1 >> 32) ^ c[chain][1] ^ static_cast<uint64_t>(key0);
            c[chain][2] = (p0 >> 32) ^ c[chain][3] ^ static_cast<uint64_t>(key1);
            c[chain][1] = p1;
            c[chain][3] = p0;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
#pragma GCC unroll 4
    for (int unit = 0; unit < U; ++unit) {
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            const Long both = (c[2 * unit][j] & 0xFFFFFFFFu) | c[2 * unit + 1][j] << 32;
            words[unit][j] = reinterpret_cast<Word>(both);
        }
    }
}

template <int N>
FWDAD_INLINE Float horner(Float x, const float (&coefficients)[N]) {
    Float value = splat(coefficients[N - 1]);
#pragma GCC unroll 16
    for (int j = N - 2; j >= 0; --j) {
        value = fma(value, x, splat(coefficients[j]));
    }
    return value;
}

FWDAD_INLINE Float flip_sign(Float value, Word word) {
    return reinterpret_cast<Float>(reinterpret_cast<Word>(value) ^ (word & 0x80000000u));
}

FWDAD_INLINE void normal_pair(Word w0, Word w1, Float& first, Float& second) {
    constexpr float log_terms[] = {0x1.fffffap-1f, -0x1.5556f2p-1f, 0x1.0004aep-1f, -0x1.98d330p-2f,
                                   0x1.535ac6p-2f, -0x1.317f18p-2f, 0x1.250fdap-2f, -0x1.65fda2p-3f};
    constexpr float sin_terms[] = {0x1.921fb6p-1f, -0x1.4abc24p-4f, 0x1.4680a4p-9f, -0x1.33198ep-15f};
    constexpr float cos_terms[] = {-0x1.3bd3ccp-2f, 0x1.03c1b0p-6f, -0x1.55b2b4p-12f, 0x1.d4f632p-19f};
    constexpr float minus_2_ln_2 = -0x1.62e430p+0f;

    const Float half_word = __builtin_convertvector(reinterpret_cast<Int>(w0 >> 1), Float);
    const Float u = fma(half_word, splat(0x1p-31f), splat(0x1p-32f));
    const Int bits = reinterpret_cast<Int>(u);
    const Int exponent = (bits - 0x3F3504F3) >> 23;
    const Float t = reinterpret_cast<Float>(bits - (exponent << 23)) - 1.0f;
    const Float h = fma(t, horner(t, log_terms), splat(-2.0f));
    const Float radius = root(fma(t, h, __builtin_convertvector(exponent, Float) * minus_2_ln_2));

    const Float angle = __builtin_convertvector(reinterpret_cast<Int>(w1 << 2), Float) * 0x1p-31f;
    const Float y = angle * angle;
    const Float sine = angle * horner(y, sin_terms);
    const Float cosine = fma(y, horner(y, cos_terms), splat(1.0f));
    const Word quadrant = w1 + 0x20000000u;
    const Int swap = reinterpret_cast<Int>(quadrant << 1) >> 31;
    first = radius * flip_sign(swap ? sine : cosine, quadrant + 0x40000000u);
    second = radius * flip_sign(swap ? cosine : sine, quadrant);
}

// The sign that the lowest bit is. Row 32 j + i (0 .. 127) of a block of signs is bit i of its word j.
FWDAD_INLINE Float sign_of_lowest(Word bits) { return flip_sign(splat(1.0f), bits << 31); }

}  // namespace fwdad::FWDAD_ISA
