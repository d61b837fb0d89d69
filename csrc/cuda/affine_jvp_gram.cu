#include "shared/affine.hpp"

namespace fwdad::cuda {

template <class T>
void gram(const Launch& at, Directions<T> v, bool exact, Out<double, 3> g);

template <class T>
void affine_jvp_gram(const Launch& at, Matrix<T> x, Matrix<T> w, Matrix<T> b, Matrix<T> dx, const Stream& dw,
                     Matrix<T> db, Activation activation, Out<T, 2> y, Out<T, 3> dy, Out<double, 2> g) {
    const Directions<T> stream{{}, &dw};
    affine(at, affine_layer(x, w, b, dx, stream, db, activation, y, dy));
    gram<T>(at, stream, false, {g.data, {-1, dw.k, dw.k}});
}

template decltype(affine_jvp_gram<float>) affine_jvp_gram<float>;
template decltype(affine_jvp_gram<double>) affine_jvp_gram<double>;

}  // namespace fwdad::cuda
