// Four entries a thread; every direction is read, or generated, once.
#include "shared/source.hpp"

namespace fwdad::cuda {
namespace {

// Reads of an array are in flight four at a time; a stream's arithmetic needs the registers for itself.
template <class T, bool Streamed>
struct Combine {
    static constexpr int threads = 256;
    static constexpr int resident = 3;
    struct Shared {};

    Source<T> source;
    int64_t k;
    int64_t fours;
    const double* c;        // (k), or (rows, k)
    int64_t factors_apart;  // from row to row of c: k or 0
    T* out;                 // (rows, columns) or (entries)
    bool packed;

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t task = block.index() * threads + block.thread();
        if (task >= fours) {
            return;
        }
        const typename Source<T>::Four four = source[task];
        const double* factors = c + four.row * factors_apart;
        double sum[4] = {};
#ifdef __CUDACC__
#pragma unroll(Streamed ? 1 : 4)
#endif
        for (int64_t i = 0; i < k; ++i) {
            T v[4];
            if constexpr (Streamed) {
                source.make(i, four, v);
            } else {
                source.read_array(i, four, v);
            }
            const double factor = factors[i];
            FWDAD_UNROLL
            for (int r = 0; r < 4; ++r) {
                sum[r] = fma(factor, static_cast<double>(v[r]), sum[r]);
            }
        }
        const T values[4] = {static_cast<T>(sum[0]), static_cast<T>(sum[1]), static_cast<T>(sum[2]),
                             static_cast<T>(sum[3])};
        if constexpr (!Streamed) {
            store_four(out + source.position(four, 0), source.columns - four.column, packed, values);
        } else {
            FWDAD_UNROLL
            for (int r = 0; r < 4; ++r) {
                const int64_t position = source.position(four, r);
                if (position >= 0) {
                    out[position] = values[r];
                }
            }
        }
    }
};

template <class T, bool Streamed>
void combine_as(const Launch& at, const In<double, 2>& c, const Directions<T>& v, const Out<T, 2>& out) {
    const bool per_row = c.shape[0] >= 0;
    const Source<T> source = source_of(v, per_row);
    const int64_t k = c.shape[1];
    const int64_t fours = source.fours();
    const Combine<T, Streamed> kernel{
        source, k, fours, c.data, per_row ? k : 0, out.data, source.packed && aligned(out.data)};
    launch(at, kernel, blocks_of(fours, kernel.threads));
}

}  // namespace

template <class T>
void combine(const Launch& at, In<double, 2> c, Directions<T> v, Out<T, 2> out) {
    (v.stream == nullptr ? combine_as<T, false> : combine_as<T, true>)(at, c, v, out);
}

template decltype(combine<float>) combine<float>;
template decltype(combine<double>) combine<double>;

}  // namespace fwdad::cuda
