#include "shared/affine.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void matmul(Matrix<T> x, Matrix<T> y, Out<T, 3> out) {
    affine(affine_product(x, {y, nullptr}, out));
}

template decltype(matmul<float>) matmul<float>;
template decltype(matmul<double>) matmul<double>;

}  // namespace fwdad::FWDAD_ISA
