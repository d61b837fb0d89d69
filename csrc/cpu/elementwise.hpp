// Elementwise JVPs and the softmax cross-entropy: bound by memory, so that each derivative is computed once, for a tile
// that stays in the first-level cache while it meets the k tangents.
#pragma once

#include <stdint.h>

#include "kernels.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void activation_jvp(Activation activation, int64_t k, int64_t n, const T* x, const T* dx, T* y, T* dy);

template <class T>
void scaled_tangents(int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out);

template <class T>
void axpby(int64_t n, T a, const T* x, T b, const T* y, T* out);

template <class T>
void weighted_rows(int64_t k, int64_t rows, int64_t n, const T* w, const T* dx, T* out);

template <class T>
void cross_entropy_jvp(int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels, const T* dz, T* loss,
                       T* dloss);

}  // namespace fwdad::FWDAD_ISA
