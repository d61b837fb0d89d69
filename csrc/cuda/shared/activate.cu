#include "activate.hpp"
#include "activations.hpp"

namespace fwdad::cuda {
namespace {

template <class T>
FWDAD_DEVICE ValueAndSlope<T> value_and_slope(Activation activation, T z) {
    switch (activation) {
#define FWDAD_CASE(name)   \
    case Activation::name: \
        return name(z);
        FWDAD_ACTIVATIONS(FWDAD_CASE)
#undef FWDAD_CASE
    }
    return {};
}

// y = act(x), slope = act'(x); y may be x.
template <class T>
struct Activate {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    Activation activation;
    int64_t entries;
    const T* x;
    T* y;
    T* slope;  // or null
    bool packed;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t first = (block.index() * threads + block.thread()) * 4;
        if (first >= entries) {
            return;
        }
        T values[4], slopes[4];
        load_four(x + first, entries - first, packed, values);
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            const ValueAndSlope<T> both = value_and_slope(activation, values[r]);
            values[r] = both.value;
            slopes[r] = both.slope;
        }
        store_four(y + first, entries - first, packed, values);
        if (slope != nullptr) {
            store_four(slope + first, entries - first, packed, slopes);
        }
    }
};

}  // namespace

template <class T>
void activate(const Launch& at, Activation activation, int64_t n, const T* x, T* y, T* slope) {
    const Activate<T> kernel{activation, n, x, y, slope, aligned(x) && aligned(y) && aligned(slope)};
    launch(at, kernel, blocks_of(blocks_of(n, 4), kernel.threads));
}

template decltype(activate<float>) activate<float>;
template decltype(activate<double>) activate<double>;

}  // namespace fwdad::cuda
