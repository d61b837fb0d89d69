// Philox4x32-10, and four entries of a stream at a time: python/fwdad/kernels/philox.py is the specification.
#pragma once

#include "arguments.hpp"
#include "arithmetic.hpp"
#include "constants.hpp"

namespace fwdad::cuda {

struct Words {
    uint32_t word[4];
};

// The four words of one column and one block of rows.
FWDAD_DEVICE Words philox(const Stream& stream, int64_t direction, int64_t block, int64_t column) {
    uint32_t c0 = static_cast<uint32_t>(column);
    uint32_t c1 = static_cast<uint32_t>(block);
    uint32_t c2 = stream.step;
    uint32_t c3 = static_cast<uint32_t>(direction) | stream.parameter << 16;
    uint32_t key0 = static_cast<uint32_t>(stream.seed);
    uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
    FWDAD_UNROLL
    for (int turn = 0; turn < philox_rounds; ++turn) {
        const uint64_t p0 = static_cast<uint64_t>(c0) * philox_multiplier0;
        const uint64_t p1 = static_cast<uint64_t>(c2) * philox_multiplier1;
        c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
        c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        key0 += philox_weyl0;
        key1 += philox_weyl1;
    }
    return {{c0, c1, c2, c3}};
}

// Four signs from bits `first` .. first + 3 of a block's 128.
template <class T>
FWDAD_DEVICE void four_signs(const Words& words, int first, T (&out)[4]) {
    const uint32_t low = first < 32 ? words.word[0] : words.word[1];
    const uint32_t high = first < 96 ? words.word[2] : words.word[3];
    const uint32_t word = (first < 64 ? low : high) >> (first % 32);
    FWDAD_UNROLL
    for (int r = 0; r < 4; ++r) {
        out[r] = (word >> r & 1u) != 0 ? T(-1) : T(1);
    }
}

// Entries (4 quad .. 4 quad + 3, column) of one direction.
template <class T>
FWDAD_DEVICE void make_quad(const Stream& stream, int64_t direction, int64_t quad, int64_t column, T (&out)[4]) {
    if (stream.rows_per_call == 4) {
        const Words words = philox(stream, direction, quad, column);
        float normals[4];
        normal_pair(words.word[0], words.word[1], normals[0], normals[1]);
        normal_pair(words.word[2], words.word[3], normals[2], normals[3]);
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            out[r] = normals[r];
        }
    } else {
        four_signs(philox(stream, direction, quad / 32, column), static_cast<int>(quad % 32) * 4, out);
    }
}

}  // namespace fwdad::cuda
