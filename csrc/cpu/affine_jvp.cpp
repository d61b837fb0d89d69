#include "shared/affine.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void affine_jvp(Matrix<T> x, Matrix<T> w, Matrix<T> b, Matrix<T> dx, Directions<T> dw, Matrix<T> db,
                Activation activation, Out<T, 2> y, Out<T, 3> dy) {
    affine(affine_layer(x, w, b, dx, dw, db, activation, y, dy));
}

template decltype(affine_jvp<float>) affine_jvp<float>;
template decltype(affine_jvp<double>) affine_jvp<double>;

}  // namespace fwdad::FWDAD_ISA
