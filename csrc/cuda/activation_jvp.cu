#include "arguments.hpp"
#include "shared/activate.hpp"

namespace fwdad::cuda {

template <class T>
void scaled_tangents(const Launch& at, In<T, 1> a, In<T, 2> dx, In<T, 1> b, In<T, 2> dy, Out<T, 2> out);

template <class T>
void activation_jvp(const Launch& at, Activation activation, In<T, 1> x, In<T, 2> dx, Out<T, 1> y, Out<T, 2> dy) {
    const int64_t n = x.shape[0];
    T* const slope = static_cast<T*>(at.scratch(n * static_cast<int64_t>(sizeof(T))));
    activate(at, activation, n, x.data, y.data, slope);
    scaled_tangents<T>(at, {slope, {n}}, dx, {}, {}, dy);
}

template decltype(activation_jvp<float>) activation_jvp<float>;
template decltype(activation_jvp<double>) activation_jvp<double>;

}  // namespace fwdad::cuda
