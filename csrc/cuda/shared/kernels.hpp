// The CUDA kernels: same names and contracts as those of the CPU, whose argument types they share. Pointers are of the
// device; all that is launched runs in order on one stream, and these functions do not wait for it.
#pragma once

#include "../cpu/kernels.hpp"
#include "launch.hpp"

namespace fwdad::cuda {

// The compiler and the architectures.
std::string built();

// How many devices there are; throws Error, which says why, where the driver knows none.
int device_count();

// out (k, rows, columns) or (k, entries), C-contiguous.
template <class T>
void generate(const Launch& at, const Stream& stream, T* out);

template <class T>
void affine(const Launch& at, const Affine<T>& arguments);

// dy (k, m, n) = scale (m, n) (x dw_i + db_i) for a stream of signs; scale may be null.
void sign_product(const Launch& at, const Affine<float>& arguments, const float* scale);

// y (n) = act(x (n)), slope (n) = act'(x); y may be x, and slope null.
template <class T>
void activate(const Launch& at, Activation activation, int64_t n, const T* x, T* y, T* slope);

// y (n) = act(x (n)), dy (k, n) = act'(x) dx (k, n).
template <class T>
void activation_jvp(const Launch& at, Activation activation, int64_t k, int64_t n, const T* x, const T* dx, T* y,
                    T* dy);

// out (k, n) = a (n) dx (k, n) + b (n) dy (k, n); b and dy may be null.
template <class T>
void scaled_tangents(const Launch& at, int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out);

// out (k, rows) = sums of w (rows, n) dx (k, rows, n) over n.
template <class T>
void weighted_rows(const Launch& at, int64_t k, int64_t rows, int64_t n, const T* w, const T* dx, T* out);

// z (rows, n), n > 0, labels (rows), dz (k, rows, n) -> loss (rows), dloss (k, rows); both NaN in a row whose label is
// not in 0 .. n - 1.
template <class T>
void cross_entropy_jvp(const Launch& at, int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels,
                       const T* dz, T* loss, T* dloss);

// g (k, k): sums over all entries; per_row: g (rows, k, k), sums over columns. Exact: every product and sum in double;
// otherwise products are summed in T over 256 entries, and these sums in double.
template <class T>
void gram(const Launch& at, const Directions<T>& v, bool per_row, bool exact, double* g);

// out (rows, columns) = sum_i c_i v_i; c (k), or per_row c (rows, k).
template <class T>
void combine(const Launch& at, const double* c, const Directions<T>& v, bool per_row, T* out);

// gram (batch, k, k), d (batch, k) -> c (batch, k), rank (batch), margin (batch).
void coefficients(const Launch& at, const double* gram, const double* d, int64_t batch, int64_t k, double* c,
                  int64_t* rank, double* margin);

}  // namespace fwdad::cuda
