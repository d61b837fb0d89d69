// The affine JVP: what the kernels affine_jvp and stream_product share.
#pragma once

#include "affine_arguments.hpp"
#include "launch.hpp"

namespace fwdad::cuda {

template <class T>
void affine(const Launch& at, const Affine<T>& a);

// dy (k, m, n) = scale (m, n) (x dw_i + db_i) for a stream of signs; scale may be null.
void sign_product(const Launch& at, const Affine<float>& a, const float* scale);

}  // namespace fwdad::cuda
