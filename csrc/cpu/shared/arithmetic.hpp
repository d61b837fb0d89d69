// What the formulas of both machines ask of this one.
#pragma once

#include <math.h>

#include "simd.hpp"

#define FWDAD_MACHINE FWDAD_ISA
#define FWDAD_FUNCTION FWDAD_INLINE
#define FWDAD_UNROLL _Pragma("GCC unroll 16")

namespace fwdad::FWDAD_ISA {

FWDAD_INLINE Float multiply_add(Float a, Float b, Float c) { return fma(a, b, c); }
FWDAD_INLINE double multiply_add(double a, double b, double c) { return a * b + c; }
FWDAD_INLINE Word bits_of(Float v) { return reinterpret_cast<Word>(v); }
FWDAD_INLINE Float float_of(Word w) { return reinterpret_cast<Float>(w); }
FWDAD_INLINE Int as_signed(Word w) { return reinterpret_cast<Int>(w); }
FWDAD_INLINE Word as_unsigned(Int i) { return reinterpret_cast<Word>(i); }
FWDAD_INLINE Float to_float(Int i) { return __builtin_convertvector(i, Float); }
FWDAD_INLINE Float magnitude(Float v) { return float_of(bits_of(v) & 0x7FFFFFFFu); }
FWDAD_INLINE Int sign_mask(Word w) { return as_signed(w) >> 31; }

}  // namespace fwdad::FWDAD_ISA

#include "formulas.hpp"
