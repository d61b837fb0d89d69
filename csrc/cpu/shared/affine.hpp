// The affine JVP (affine_arguments.hpp): what the kernels affine_jvp, affine_jvp_gram, stream_product and matmul share.
#pragma once

#include "product.hpp"

namespace fwdad::FWDAD_ISA {

// The longest stretch of `depth` summed in one go: a right panel of it fills a part of the second-level cache.
constexpr int64_t longest_stretch = 1024;

template <class T>
void affine(const Affine<T>& a);

// The same for streamed dw, whose products x dw_i + db_i `multiply` forms by a job with this one term.
template <class T>
using MultiplyStream = void (*)(const Job<T>& job, double* gram);
template <class T>
void affine(const Affine<T>& a, MultiplyStream<T> multiply, double* gram);

}  // namespace fwdad::FWDAD_ISA
