#pragma once

#include "kernels.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void conv(const Conv<T>& arguments);

}  // namespace fwdad::FWDAD_ISA
