#include "arguments.hpp"
#include "shared/arithmetic.hpp"
#include "shared/warp.hpp"

namespace fwdad::cuda {

template <class T>
void weighted_rows(const Launch& at, In<T, 2> w, In<T, 3> dx, Out<T, 2> out);

namespace {

// A row is a warp's: its loss, and the weights softmax(z) - e_label that its tangents' entries meet.
template <class T>
struct CrossEntropy {
    static constexpr int threads = 256;
    static constexpr int resident = 4;
    struct Shared {};

    int64_t rows, n;
    const T* z;             // (rows, n)
    const int64_t* labels;  // (rows)
    T* loss;                // (rows)
    T* weights;             // (rows, n)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t row = block.index() * (threads / warp) + block.thread() / warp;
        if (row >= rows) {
            return;
        }
        const int lane = block.thread() % warp;
        const T* logits = z + row * n;
        T* weight = weights + row * n;
        const int64_t label = labels[row];
        T top = -INFINITY;
        for (int64_t j = lane; j < n; j += warp) {
            top = logits[j] > top ? logits[j] : top;
        }
        for (int mask = warp / 2; mask > 0; mask /= 2) {
            const T other = block.shuffle_xor(top, mask);
            top = other > top ? other : top;
        }
        double total = 0;
        for (int64_t j = lane; j < n; j += warp) {
            const T power = exp_of_difference(logits[j], top);
            weight[j] = power;
            total += static_cast<double>(power);
        }
        total = sum_of_warp(block, total);
        const bool known = label >= 0 && label < n;
        const T inverse = known ? static_cast<T>(1 / total) : static_cast<T>(NAN);
        for (int64_t j = lane; j < n; j += warp) {  // the entries that this lane wrote
            weight[j] = weight[j] * inverse - (j == label ? T(1) : T(0));
        }
        if (lane == 0) {
            loss[row] =
                known ? static_cast<T>(log(total) + static_cast<double>(top - logits[label])) : static_cast<T>(NAN);
        }
    }

 private:
    FWDAD_DEVICE static float exp_of_difference(float z, float top) { return exp_of_negative(z - top); }
    FWDAD_DEVICE static double exp_of_difference(double z, double top) { return exp(z - top); }
};

}  // namespace

template <class T>
void cross_entropy_jvp(const Launch& at, In<T, 2> z, In<int64_t, 1> labels, In<T, 3> dz, Out<T, 1> loss,
                       Out<T, 2> dloss) {
    const int64_t rows = z.shape[0];
    const int64_t n = z.shape[1];
    T* const weights = static_cast<T*>(at.scratch(rows * n * static_cast<int64_t>(sizeof(T))));
    const CrossEntropy<T> kernel{rows, n, z.data, labels.data, loss.data, weights};
    launch(at, kernel, blocks_of(rows, kernel.threads / warp));
    weighted_rows<T>(at, {weights, {rows, n}}, dz, dloss);
}

template decltype(cross_entropy_jvp<float>) cross_entropy_jvp<float>;
template decltype(cross_entropy_jvp<double>) cross_entropy_jvp<double>;

}  // namespace fwdad::cuda
