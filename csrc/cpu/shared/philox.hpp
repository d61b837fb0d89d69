// Philox4x32-10 in 64-bit lanes, which are columns: python/fwdad/kernels/philox.py is the specification.
#pragma once

#include <stdint.h>

#include "arguments.hpp"
#include "arithmetic.hpp"
#include "constants.hpp"

namespace fwdad::FWDAD_ISA {

// The generator for one direction of a stream and `lanes<float>` columns: even and odd columns are two chains.
//
// Of the counter (column, block, step, direction and parameter), only the block differs from call to call. What the
// first three rounds make of the rest is computed once for the columns: to a call they cost less than one round.
struct Philox {
    Long keys0[philox_rounds], keys1[philox_rounds];
    uint64_t step_product;  // step * philox_multiplier1
    uint64_t top;           // direction and parameter
    Long by_column[2][4];
};

FWDAD_INLINE Philox philox_of(const Stream& stream, int64_t direction) {
    Philox philox = {};
    uint32_t key0 = static_cast<uint32_t>(stream.seed);
    uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
    for (int turn = 0; turn < philox_rounds; ++turn) {
        philox.keys0[turn] = Long{} + key0;
        philox.keys1[turn] = Long{} + key1;
        key0 += philox_weyl0;
        key1 += philox_weyl1;
    }
    philox.step_product = static_cast<uint64_t>(stream.step) * philox_multiplier1;
    philox.top = static_cast<uint64_t>(direction) | static_cast<uint64_t>(stream.parameter) << 16;
    return philox;
}

// Turn to the columns from column0 on.
FWDAD_INLINE void turn_to(Philox& philox, uint32_t column0) {
    for (uint64_t chain = 0; chain < 2; ++chain) {
        Long column = {};
        for (int lane = 0; lane < lanes<uint64_t>; ++lane) {
            column[lane] = column0 + 2 * static_cast<uint64_t>(lane) + chain;
        }
        const Long first = widening_product(column, philox_multiplier0);
        const Long second = widening_product((first >> 32) ^ philox.top ^ philox.keys1[0], philox_multiplier1);
        const Long third = widening_product((second >> 32) ^ philox.step_product ^ philox.keys0[1], philox_multiplier0);
        Long* of = philox.by_column[chain];
        of[0] = first ^ philox.keys1[1];
        of[1] = second ^ philox.keys0[2];
        of[2] = (third >> 32) ^ philox.keys1[2];
        of[3] = third;
    }
}

// The low, or the high, halves of each lane of `even` and, next to it, of the same lane of `odd`.
FWDAD_INLINE Word low_halves(Long even, Long odd) {
    return zip_lanes<1, 0>(reinterpret_cast<Word>(even), reinterpret_cast<Word>(odd));
}
FWDAD_INLINE Word high_halves(Long even, Long odd) {
    return zip_lanes<1, 1>(reinterpret_cast<Word>(even), reinterpret_cast<Word>(odd));
}

// The four words of the columns, for U consecutive row blocks at once: a call is a chain of dependent rounds, and 2 U
// independent ones keep the multipliers busy.
template <int U>
FWDAD_INLINE void philox_words(const Philox& philox, uint32_t block0, Word (&words)[U][4]) {
    Long c[2 * U][4];  // only the low half of each lane counts
#pragma GCC unroll 4
    for (int unit = 0; unit < U; ++unit) {
        const uint32_t block = block0 + static_cast<uint32_t>(unit);
        const uint64_t second = ((philox.step_product >> 32) ^ philox.keys0[0][0] ^ block) * philox_multiplier0;
#pragma GCC unroll 2
        for (int chain = 0; chain < 2; ++chain) {
            const Long* of = philox.by_column[chain];
            const Long third = widening_product(of[0] ^ (second >> 32), philox_multiplier1);
            Long* to = c[2 * unit + chain];
            to[0] = (third >> 32) ^ of[1];
            to[1] = third;
            to[2] = of[2] ^ second;
            to[3] = of[3];
        }
    }
#pragma GCC unroll 6
    for (int turn = 3; turn < 9; ++turn) {
#pragma GCC unroll 8
        for (int chain = 0; chain < 2 * U; ++chain) {
            const Long p0 = widening_product(c[chain][0], philox_multiplier0);
            const Long p1 = widening_product(c[chain][2], philox_multiplier1);
            c[chain][0] = (p1 >> 32) ^ c[chain][1] ^ philox.keys0[turn];
            c[chain][2] = (p0 >> 32) ^ c[chain][3] ^ philox.keys1[turn];
            c[chain][1] = p1;
            c[chain][3] = p0;
        }
    }
    // The last round, in which the chains of even and odd columns become one.
    const Word key0 = low_halves(philox.keys0[9], philox.keys0[9]);
    const Word key1 = low_halves(philox.keys1[9], philox.keys1[9]);
#pragma GCC unroll 4
    for (int unit = 0; unit < U; ++unit) {
        const Long* even = c[2 * unit];
        const Long* odd = c[2 * unit + 1];
        const Long even0 = widening_product(even[0], philox_multiplier0),
                   odd0 = widening_product(odd[0], philox_multiplier0);
        const Long even1 = widening_product(even[2], philox_multiplier1),
                   odd1 = widening_product(odd[2], philox_multiplier1);
        words[unit][0] = high_halves(even1, odd1) ^ low_halves(even[1], odd[1]) ^ key0;
        words[unit][1] = low_halves(even1, odd1);
        words[unit][2] = high_halves(even0, odd0) ^ low_halves(even[3], odd[3]) ^ key1;
        words[unit][3] = low_halves(even0, odd0);
    }
}

// The sign that the lowest bit is. Row 32 j + i (0 .. 127) of a block of signs is bit i of its word j.
FWDAD_INLINE Float sign_of_lowest(Word bits) { return flip_sign(splat(1.0f), bits << 31); }

}  // namespace fwdad::FWDAD_ISA
