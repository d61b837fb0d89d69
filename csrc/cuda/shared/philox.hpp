// Philox4x32-10 and the maps from words to normals and signs: python/fwdad/kernels/philox.py is their specification,
// operation by operation, and says what the constants are.
#pragma once

#include "arithmetic.hpp"
#include "kernels.hpp"

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
    for (int turn = 0; turn < 10; ++turn) {
        const uint64_t p0 = static_cast<uint64_t>(c0) * 0xD2511F53u;
        const uint64_t p1 = static_cast<uint64_t>(c2) * 0xCD9E8D57u;
        c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key0;
        c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key1;
        c1 = static_cast<uint32_t>(p1);
        c3 = static_cast<uint32_t>(p0);
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

FWDAD_DEVICE void normal_pair(uint32_t w0, uint32_t w1, float& first, float& second) {
    constexpr float log_terms[] = {0x1.fffffap-1f, -0x1.5556f2p-1f, 0x1.0004aep-1f, -0x1.98d330p-2f,
                                   0x1.535ac6p-2f, -0x1.317f18p-2f, 0x1.250fdap-2f, -0x1.65fda2p-3f};
    constexpr float sin_terms[] = {0x1.921fb6p-1f, -0x1.4abc24p-4f, 0x1.4680a4p-9f, -0x1.33198ep-15f};
    constexpr float cos_terms[] = {-0x1.3bd3ccp-2f, 0x1.03c1b0p-6f, -0x1.55b2b4p-12f, 0x1.d4f632p-19f};
    constexpr float minus_2_ln_2 = -0x1.62e430p+0f;

    const float u = fmaf(static_cast<float>(w0 >> 1), 0x1p-31f, 0x1p-32f);
    const int32_t bits = static_cast<int32_t>(bits_of(u));
    const int32_t exponent = (bits - 0x3F3504F3) >> 23;
    const float t = float_of(static_cast<uint32_t>(bits) - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
    const float h = fmaf(t, horner(t, log_terms), -2.0f);
    const float radius = sqrtf(fmaf(t, h, static_cast<float>(exponent) * minus_2_ln_2));

    const float angle = static_cast<float>(static_cast<int32_t>(w1 << 2)) * 0x1p-31f;
    const float y = angle * angle;
    const float sine = angle * horner(y, sin_terms);
    const float cosine = fmaf(y, horner(y, cos_terms), 1.0f);
    const uint32_t quadrant = w1 + 0x20000000u;
    const bool swap = (quadrant & 0x40000000u) != 0;
    first = radius * flip_sign(swap ? sine : cosine, quadrant + 0x40000000u);
    second = radius * flip_sign(swap ? cosine : sine, quadrant);
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
