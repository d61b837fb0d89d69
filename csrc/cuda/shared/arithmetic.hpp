// Arithmetic that kernels share, and what the formulas of both machines ask of this one. Nothing is contracted by the
// compiler (--fmad=false).
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "block.hpp"

#define FWDAD_MACHINE cuda
#define FWDAD_FUNCTION FWDAD_DEVICE

namespace fwdad::cuda {

FWDAD_DEVICE float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
FWDAD_DEVICE double multiply_add(double a, double b, double c) { return fma(a, b, c); }

FWDAD_DEVICE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

FWDAD_DEVICE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

FWDAD_DEVICE float root(float a) { return sqrtf(a); }
FWDAD_DEVICE float magnitude(float a) { return fabsf(a); }
FWDAD_DEVICE int32_t as_signed(uint32_t a) { return static_cast<int32_t>(a); }
FWDAD_DEVICE uint32_t as_unsigned(int32_t a) { return static_cast<uint32_t>(a); }
FWDAD_DEVICE float to_float(int32_t a) { return static_cast<float>(a); }
FWDAD_DEVICE bool sign_mask(uint32_t a) { return as_signed(a) < 0; }

FWDAD_DEVICE_AND_HOST constexpr int64_t blocks_of(int64_t n, int64_t size) { return (n + size - 1) / size; }

// a / b and a % b for 0 <= a, 0 < b: a 32-bit division, where one is enough, costs a fifth.
struct Division {
    int64_t quotient, rest;
};
FWDAD_DEVICE Division divide(int64_t a, int64_t b) {
    if (((a | b) >> 32) == 0) {
        const uint32_t quotient = static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
        return {quotient, static_cast<uint32_t>(a) - quotient * static_cast<uint32_t>(b)};
    }
    return {a / b, a % b};
}

// 16 bytes, moved by one instruction.
template <class T>
constexpr int pack_size = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Pack {
    T entry[pack_size<T>];
};

template <class T>
FWDAD_DEVICE Pack<T> load_pack(const T* from) {
    return *reinterpret_cast<const Pack<T>*>(from);
}

template <class T>
FWDAD_DEVICE void store_pack(T* to, const Pack<T>& pack) {
    *reinterpret_cast<Pack<T>*>(to) = pack;
}

inline bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

// Four entries in a row, with `count` of them inside the array, in packs where `packed` says that they are aligned.
template <class T>
FWDAD_DEVICE void load_four(const T* from, int64_t count, bool packed, T (&out)[4]) {
    if (packed && count >= 4) {
        FWDAD_UNROLL
        for (int j = 0; j < 4; j += pack_size<T>) {
            const Pack<T> pack = load_pack(from + j);
            FWDAD_UNROLL
            for (int l = 0; l < pack_size<T>; ++l) {
                out[j + l] = pack.entry[l];
            }
        }
        return;
    }
    FWDAD_UNROLL
    for (int j = 0; j < 4; ++j) {
        out[j] = j < count ? from[j] : T(0);
    }
}

template <class T>
FWDAD_DEVICE void store_four(T* to, int64_t count, bool packed, const T (&values)[4]) {
    if (packed && count >= 4) {
        FWDAD_UNROLL
        for (int j = 0; j < 4; j += pack_size<T>) {
            Pack<T> pack;
            FWDAD_UNROLL
            for (int l = 0; l < pack_size<T>; ++l) {
                pack.entry[l] = values[j + l];
            }
            store_pack(to + j, pack);
        }
        return;
    }
    FWDAD_UNROLL
    for (int j = 0; j < 4; ++j) {
        if (j < count) {
            to[j] = values[j];
        }
    }
}

}  // namespace fwdad::cuda

#include "formulas.hpp"
