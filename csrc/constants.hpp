// Constants of both machines.
#pragma once

#include <stdint.h>

namespace fwdad {

// Philox4x32-10 (python/fwdad/kernels/philox.py): what a round multiplies by, and adds to the key.
constexpr uint32_t philox_multiplier0 = 0xD2511F53u, philox_multiplier1 = 0xCD9E8D57u;
constexpr uint32_t philox_weyl0 = 0x9E3779B9u, philox_weyl1 = 0xBB67AE85u;
constexpr int philox_rounds = 10;

// projection_coefficients: what is left of a direction's squared length must exceed this part of it.
constexpr double rank_tolerance = 0x1p-40;

}  // namespace fwdad
