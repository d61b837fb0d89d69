// What the threads of a warp do together.
#pragma once

#include "block.hpp"

namespace fwdad::cuda {

// The sum over a warp, the same in every lane.
template <class T>
FWDAD_DEVICE T sum_of_warp(const Block& block, T value) {
    for (int mask = warp / 2; mask > 0; mask /= 2) {
        value += block.shuffle_xor(value, mask);
    }
    return value;
}

}  // namespace fwdad::cuda
