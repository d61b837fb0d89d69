// exp of what is not positive, in float: a few units in the last place.
#pragma once

#include "philox.hpp"
#include "simd.hpp"

namespace fwdad::FWDAD_ISA {

// exp(x) = 2^n (1 + p) for x <= 0: `scale` is 2^n, and p = expm1(rest) is accurate near zero.
struct Exponential {
    Float scale;
    Float p;
};

constexpr float lowest = -87.0f;  // exp of less would leave the normal range, and is taken for zero

FWDAD_INLINE Exponential exponential(Float x) {
    // expm1(r) = r + r^2 q(r) for |r| <= ln(2) / 2: error 1.4e-8, relative.
    constexpr float terms[] = {0x1.fffffep-2f, 0x1.5554b4p-3f, 0x1.5556f2p-5f, 0x1.12256cp-7f, 0x1.6b9ce8p-10f};
    x = x < lowest ? splat(lowest) : x;    // NaN stays
    const Float magic = splat(0x1.8p23f);  // adding it rounds to an integer, which is then in the low bits
    const Float shifted = fma(x, splat(0x1.715476p+0f), magic);
    const Float n = shifted - magic;
    Float r = fma(n, splat(-0x1.62e4p-1f), x);
    r = fma(n, splat(-0x1.7f7d1cp-20f), r);
    const Int power = (reinterpret_cast<Int>(shifted) - 0x4B400000 + 127) << 23;
    return {reinterpret_cast<Float>(power), fma(r * r, horner(r, terms), r)};
}

FWDAD_INLINE Float whole(Exponential e, Float x) { return x < lowest ? Float{} : fma(e.scale, e.p, e.scale); }

FWDAD_INLINE Float exp_of_negative(Float x) { return whole(exponential(x), x); }

}  // namespace fwdad::FWDAD_ISA
