#include "shared/affine.hpp"

namespace fwdad::cuda {

template <class T>
void stream_product(const Launch& at, Matrix<T> x, const Stream& stream, Out<T, 3> out) {
    affine(at, affine_product(x, {{}, &stream}, out));
}

template decltype(stream_product<float>) stream_product<float>;
template decltype(stream_product<double>) stream_product<double>;

}  // namespace fwdad::cuda
