#include "shared/affine.hpp"

namespace fwdad::FWDAD_ISA {

template <class T>
void stream_product(Matrix<T> x, const Stream& stream, Out<T, 3> out) {
    affine(affine_product(x, {{}, &stream}, out));
}

template decltype(stream_product<float>) stream_product<float>;
template decltype(stream_product<double>) stream_product<double>;

}  // namespace fwdad::FWDAD_ISA
