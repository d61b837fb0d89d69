// An activation and its derivative.
#pragma once

#include "arguments.hpp"
#include "arithmetic.hpp"

namespace fwdad::cuda {

// y (n) = act(x (n)), slope (n) = act'(x); y may be x, and slope null.
template <class T>
void activate(const Launch& at, Activation activation, int64_t n, const T* x, T* y, T* slope);

}  // namespace fwdad::cuda
