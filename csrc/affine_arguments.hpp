// The affine JVP as several kernels of both machines give it to the code that they share.
#pragma once

#include "arguments.hpp"

namespace fwdad {

// y = act(x w + b), dy_i = act'(x w + b) (dx_i w + x dw_i + db_i); a factor or bias that is null is a structural zero.
// Where y is null, x may be a batch as dw is: dy_i = x_i dw_i.
template <class T>
struct Affine {
    int64_t m, depth, n, k;
    Matrix<T> x;       // (m, depth), or (k, m, depth)
    Matrix<T> w;       // (depth, n)
    Matrix<T> b;       // (m, n)
    Matrix<T> dx;      // (k, m, depth)
    Directions<T> dw;  // (k, depth, n)
    Matrix<T> db;      // (k, m, n)
    Activation activation;
    T* y;   // (m, n); null: not wanted, where the activation is the identity
    T* dy;  // (k, m, n); null: no tangents
};

// Static, as all functions here: each instruction set has its own.
template <class T>
static Affine<T> affine_layer(const Matrix<T>& x, const Matrix<T>& w, const Matrix<T>& b, const Matrix<T>& dx,
                              const Directions<T>& dw, const Matrix<T>& db, Activation activation, const Out<T, 2>& y,
                              const Out<T, 3>& dy) {
    const int64_t k = dy.data == nullptr ? 0 : dy.shape[0];
    return {x.rows, x.columns, w.columns, k, x, w, b, dx, dw, db, activation, y.data, dy.data};
}

template <class T>
static Affine<T> affine_product(const Matrix<T>& x, const Directions<T>& dw, const Out<T, 3>& out) {
    return {out.shape[1], x.columns, out.shape[2], out.shape[0],         x,       {},      {},
            {},           dw,        {},           Activation::identity, nullptr, out.data};
}

}  // namespace fwdad
