#include "arguments.hpp"
#include "shared/arithmetic.hpp"

namespace fwdad::cuda {
namespace {

// A unit of one example is a thread's.
template <class T>
struct LifJvp {
    static constexpr int threads = 256;
    static constexpr int resident = sizeof(T) == 4 ? 4 : 2;
    struct Shared {};

    In<T, 3> current;  // (rows, 1 or steps, n)
    In<T, 1> beta, theta;
    In<T, 2> bias;
    int64_t steps;
    T sharpness;
    bool squared;
    Out<T, 2> counts, by_current, by_beta, by_theta;
    Out<T, 3> train, slopes;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t n = current.shape[2];
        const int64_t task = block.index() * threads + block.thread();
        if (task >= current.shape[0] * n) {
            return;
        }
        const Division at = divide(task, n);
        const int64_t row = at.quotient;
        const int64_t j = at.rest;
        const bool still = current.shape[1] == 1;
        const T leak = beta.data[j];
        const T threshold = theta.data[j];
        const T added = bias.data == nullptr ? T(0) : bias.data[bias.shape[0] < 0 ? j : task];
        T u = 0, spike = 0, count = 0, e = 0, p = 0, q = 0, of_current = 0, of_theta = 0, of_beta = 0;
        for (int64_t s = 0; s < steps; ++s) {
            const int64_t step = (row * steps + s) * n + j;
            const T flow = current.data[still ? task : step] + added;
            e = multiply_add(leak, e, T(1));
            p = leak * p - spike;
            q = multiply_add(leak, q, u);
            u = multiply_add(leak, u, flow) - threshold * spike;
            const T above = u - threshold;
            spike = above > 0 ? T(1) : T(0);
            count += spike;
            const T v = sharpness * above;
            const T size = v < 0 ? -v : v;
            const T slope = 1 / (squared ? 1 + v * v : (1 + size) * (1 + size));
            of_current = multiply_add(slope, e, of_current);
            of_theta = multiply_add(slope, p - 1, of_theta);
            of_beta = multiply_add(slope, q, of_beta);
            keep(train.data, step, spike);
            keep(slopes.data, step, slope);
        }
        keep(counts.data, task, count);
        keep(by_current.data, task, of_current);
        keep(by_beta.data, task, of_beta);
        keep(by_theta.data, task, of_theta);
    }

 private:
    FWDAD_DEVICE static void keep(T* to, int64_t place, T value) {
        if (to != nullptr) {
            to[place] = value;
        }
    }
};

}  // namespace

template <class T>
void lif_jvp(const Launch& at, In<T, 3> flow, In<T, 1> beta, In<T, 1> theta, In<T, 2> bias, int64_t steps, T sharpness,
             bool squared, Out<T, 2> counts, Out<T, 2> by_current, Out<T, 2> by_beta, Out<T, 2> by_theta,
             Out<T, 3> train, Out<T, 3> slopes) {
    const LifJvp<T> kernel{flow,   beta,       theta,   bias,     steps, sharpness, squared,
                           counts, by_current, by_beta, by_theta, train, slopes};
    launch(at, kernel, blocks_of(flow.shape[0] * flow.shape[2], kernel.threads));
}

template decltype(lif_jvp<float>) lif_jvp<float>;
template decltype(lif_jvp<double>) lif_jvp<double>;

}  // namespace fwdad::cuda
