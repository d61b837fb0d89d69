// Vectors of one register of the instruction set that this file is compiled for, by the compilers' vector extensions:
// operators work lane by lane, comparisons give lanes of all ones or zeros, c ? a : b selects by lane.
// Intrinsics appear only where the extensions have no word for an instruction: fused multiply-add, square root, 32 x 32
// -> 64.
#pragma once

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define FWDAD_INLINE static inline __attribute__((always_inline))

namespace fwdad::FWDAD_ISA {

#if defined(__AVX512F__)
constexpr int register_bytes = 64;
constexpr int registers = 32;
#elif defined(__AVX2__)
constexpr int register_bytes = 32;
constexpr int registers = 16;
#elif defined(__aarch64__)
constexpr int register_bytes = 16;
constexpr int registers = 32;
#else
constexpr int register_bytes = 16;
constexpr int registers = 16;
#endif

typedef float Float __attribute__((vector_size(register_bytes)));
typedef double Double __attribute__((vector_size(register_bytes)));
typedef int32_t Int __attribute__((vector_size(register_bytes)));
typedef uint32_t Word __attribute__((vector_size(register_bytes)));
typedef uint64_t Long __attribute__((vector_size(register_bytes)));
typedef float HalfFloat __attribute__((vector_size(register_bytes / 2)));

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef Float type;
    typedef Float unaligned __attribute__((aligned(sizeof(float)), may_alias));
};
template <>
struct VectorOf<double> {
    typedef Double type;
    typedef Double unaligned __attribute__((aligned(sizeof(double)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));

// Keeps a value in its register. Of one that was loaded and is used twice, GCC makes two loads, and where operands come
// from the cache as fast as they are used up, that is what takes the time.
template <class V>
FWDAD_INLINE void keep_in_register(V& v) {
    // NOLINTBEGIN(portability-no-assembler): empty, and no C++ says it
#if defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#endif
    // NOLINTEND(portability-no-assembler)
}

template <class T>
FWDAD_INLINE Vector<T> load(const T* p) {
    return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}

template <class T>
FWDAD_INLINE void store(T* p, Vector<T> v) {
    *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

template <class T>
FWDAD_INLINE Vector<T> splat(T value) {
    return value - Vector<T>{};  // value - 0 is value, also for -0 and NaN
}

// v[lane ^ step]
template <int step, class V>
FWDAD_INLINE V swap_lanes(V v) {
    constexpr int count = static_cast<int>(sizeof(V) / sizeof(v[0]));
#if defined(__clang__)
    V swapped = v;  // recognised as a permutation
#pragma GCC unroll 16
    for (int lane = 0; lane < count; ++lane) {
        swapped[lane] = v[lane ^ step];
    }
    return swapped;
#else
    decltype(v < v) from = {};
#pragma GCC unroll 16
    for (int lane = 0; lane < count; ++lane) {
        from[lane] = lane ^ step;
    }
    return __builtin_shuffle(v, from);
#endif
}

// Lane l is a[l + first] where l & step is 0, and b[l - step + first] elsewhere.
template <int step, int first, class V>
FWDAD_INLINE V zip_lanes(V a, V b) {
    constexpr int count = static_cast<int>(sizeof(V) / sizeof(a[0]));
#if defined(__clang__)
    V zipped = a;  // recognised as a permutation
#pragma GCC unroll 16
    for (int lane = 0; lane < count; ++lane) {
        zipped[lane] = (lane & step) != 0 ? b[lane - step + first] : a[lane + first];
    }
    return zipped;
#else
    decltype(a < a) from = {};
#pragma GCC unroll 16
    for (int lane = 0; lane < count; ++lane) {
        from[lane] = first + ((lane & step) != 0 ? count + lane - step : lane);
    }
    return __builtin_shuffle(a, b, from);
#endif
}

// Lane j of the result is the sum of the lanes of v[j], j < lanes<T>; v is overwritten.
template <class T, int step = 1>
FWDAD_INLINE Vector<T> fold_lanes(Vector<T>* v) {
    if constexpr (step < lanes<T>) {
#pragma GCC unroll 16
        for (int j = 0; j < lanes<T>; j += 2 * step) {
            v[j] = zip_lanes<step, 0>(v[j], v[j + step]) + zip_lanes<step, step>(v[j], v[j + step]);
        }
        return fold_lanes<T, 2 * step>(v);
    } else {
        return v[0];
    }
}

// The sum of the lanes of v, in pairs of neighbours, then of their sums, and so on.
template <class T, int step = 1>
FWDAD_INLINE T sum_of_lanes(Vector<T> v) {
    if constexpr (step < lanes<T>) {
        return sum_of_lanes<T, 2 * step>(v + swap_lanes<step>(v));
    } else {
        return v[0];
    }
}

// As many entries as a Double has lanes, in double precision.
FWDAD_INLINE Double load_double(const double* p) { return load(p); }
FWDAD_INLINE Double load_double(const float* p) {
    typedef HalfFloat Unaligned __attribute__((aligned(sizeof(float)), may_alias));
    return __builtin_convertvector(*reinterpret_cast<const Unaligned*>(p), Double);
}

FWDAD_INLINE void store_double(double* p, Double v) { store(p, v); }
FWDAD_INLINE void store_double(float* p, Double v) {
    typedef HalfFloat Unaligned __attribute__((aligned(sizeof(float)), may_alias));
    *reinterpret_cast<Unaligned*>(p) = __builtin_convertvector(v, HalfFloat);
}

// a * b + c, rounded once where the instruction set can, and square roots, correctly rounded.
// widening_product: the 64-bit product of the low halves of each 64-bit lane with m.
#if defined(__AVX512F__)
FWDAD_INLINE Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
FWDAD_INLINE Double fma(Double a, Double b, Double c) { return _mm512_fmadd_pd(a, b, c); }
FWDAD_INLINE Float root(Float a) { return _mm512_sqrt_ps(a); }
FWDAD_INLINE Long widening_product(Long a, uint32_t m) {
    return reinterpret_cast<Long>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), _mm512_set1_epi64(m)));
}
#elif defined(__AVX2__) && defined(__FMA__)
FWDAD_INLINE Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
FWDAD_INLINE Double fma(Double a, Double b, Double c) { return _mm256_fmadd_pd(a, b, c); }
FWDAD_INLINE Float root(Float a) { return _mm256_sqrt_ps(a); }
FWDAD_INLINE Long widening_product(Long a, uint32_t m) {
    return reinterpret_cast<Long>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(m)));
}
#elif defined(__x86_64__)
FWDAD_INLINE Float fma(Float a, Float b, Float c) { return a * b + c; }
FWDAD_INLINE Double fma(Double a, Double b, Double c) { return a * b + c; }
FWDAD_INLINE Float root(Float a) { return _mm_sqrt_ps(a); }
FWDAD_INLINE Long widening_product(Long a, uint32_t m) {
    return reinterpret_cast<Long>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(m)));
}
#elif defined(__aarch64__)
FWDAD_INLINE Float fma(Float a, Float b, Float c) {
    return reinterpret_cast<Float>(vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a),
                                             reinterpret_cast<float32x4_t>(b)));
}
FWDAD_INLINE Double fma(Double a, Double b, Double c) {
    return reinterpret_cast<Double>(vfmaq_f64(reinterpret_cast<float64x2_t>(c), reinterpret_cast<float64x2_t>(a),
                                              reinterpret_cast<float64x2_t>(b)));
}
FWDAD_INLINE Float root(Float a) { return reinterpret_cast<Float>(vsqrtq_f32(reinterpret_cast<float32x4_t>(a))); }
FWDAD_INLINE Long widening_product(Long a, uint32_t m) {
    return reinterpret_cast<Long>(vmull_u32(vmovn_u64(reinterpret_cast<uint64x2_t>(a)), vdup_n_u32(m)));
}
#else
FWDAD_INLINE Float fma(Float a, Float b, Float c) { return a * b + c; }
FWDAD_INLINE Double fma(Double a, Double b, Double c) { return a * b + c; }
FWDAD_INLINE Float root(Float a) {
    for (int lane = 0; lane < lanes<float>; ++lane) {
        a[lane] = __builtin_sqrtf(a[lane]);
    }
    return a;
}
FWDAD_INLINE Long widening_product(Long a, uint32_t m) { return (a & 0xFFFFFFFFu) * m; }
#endif

}  // namespace fwdad::FWDAD_ISA
