// A generator call a thread: every thread writes four entries, and neighbours write neighbouring columns of a matrix,
// or neighbouring fours of a vector.
#include "shared/source.hpp"

namespace fwdad::cuda {
namespace {

template <class T>
struct Generate {
    static constexpr int threads = 256;
    static constexpr int resident = 6;
    struct Shared {};

    Source<T> source;
    int64_t fours;  // of a direction
    int64_t tasks;  // k * fours
    int64_t entries;
    bool packed;  // a vector's fours are aligned
    T* out;       // (k, entries)

    FWDAD_DEVICE void operator()(const Block& block, Shared&) const {
        const int64_t task = block.index() * threads + block.thread();
        if (task >= tasks) {
            return;
        }
        const Division at = divide(task, fours);
        T* to = out + at.quotient * entries;
        if (source.stream.entries >= 0) {  // count down the columns, in which the entries lie
            const int64_t rows = source.rows / 4;
            const int64_t column = at.rest / rows;
            T values[4];
            make_quad(source.stream, at.quotient, at.rest % rows, column, values);
            store_four(to + at.rest * 4, entries - at.rest * 4, packed, values);
            return;
        }
        const typename Source<T>::Four four = source[at.rest];
        T values[4];
        make_quad(source.stream, at.quotient, four.row / 4, four.column, values);
        FWDAD_UNROLL
        for (int r = 0; r < 4; ++r) {
            if (four.row + r < source.rows) {
                to[(four.row + r) * source.columns + four.column] = values[r];
            }
        }
    }
};

}  // namespace

template <class T>
void generate(const Launch& at, const Stream& stream, Out<T, 2> out) {
    const Source<T> source = source_of<T>(stream, false);
    const bool vector = stream.entries >= 0;
    const int64_t entries = vector ? stream.entries : stream.rows * stream.columns;
    const int64_t fours = vector ? blocks_of(entries, 4) : source.fours();
    const bool packed = aligned(out.data) && entries % pack_size<T> == 0;
    const Generate<T> kernel{source, fours, stream.k * fours, entries, packed, out.data};
    launch(at, kernel, blocks_of(kernel.tasks, kernel.threads));
}

template decltype(generate<float>) generate<float>;
template decltype(generate<double>) generate<double>;

}  // namespace fwdad::cuda
