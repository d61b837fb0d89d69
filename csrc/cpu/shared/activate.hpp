// Activations: value and derivative together, for a row of a tile.
#pragma once

#include "arguments.hpp"
#include "arithmetic.hpp"

namespace fwdad::FWDAD_ISA {

// y[j] = act(z[j]) and, unless null, slope[j] = act'(z[j]), for j < n. y may be z.
template <class T>
void activate(Activation activation, int64_t n, const T* z, T* y, T* slope);

}  // namespace fwdad::FWDAD_ISA
