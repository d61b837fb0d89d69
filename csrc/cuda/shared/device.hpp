#pragma once

#include <string>

namespace fwdad::cuda {

// The compiler and the architectures.
std::string built();

// How many devices there are; throws Error, which says why, where the driver knows none.
int device_count();

}  // namespace fwdad::cuda
