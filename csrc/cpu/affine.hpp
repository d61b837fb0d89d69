#pragma once

#include "kernels.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void affine(const Affine<T>& arguments);

}  // namespace fwdad::FWDAD_ISA
