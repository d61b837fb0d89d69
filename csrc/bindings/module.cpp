// fwdad._native: the kernels as Python functions. Results are written into arrays that the caller made. The GIL is
// released while a kernel runs, so that other Python threads go on.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <tuple>

#include "calls.hpp"
#include "dispatch.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace py = pybind11;

namespace fwdad {
namespace {

// What NumPy says of an array; the array itself outlives it.
class HostArray {
 public:
    HostArray(const py::object& object, const char* name) : array_(py::reinterpret_borrow<py::array>(object)) {
        if (!py::isinstance<py::array>(object)) {
            refuse(name, "a NumPy array");
        }
    }

    template <class T>
    bool holds() const {
        static const PyObject* const type = py::dtype::of<T>().release().ptr();
        return py::detail::array_proxy(array_.ptr())->descr == type || array_.dtype().equal(py::dtype::of<T>());
    }
    const void* data() const { return array_.data(); }
    bool writable() const { return array_.writeable(); }
    size_t axes() const { return static_cast<size_t>(array_.ndim()); }
    int64_t shape(size_t axis) const { return array_.shape()[axis]; }
    int64_t stride(size_t axis) const { return array_.strides()[axis]; }

 private:
    py::array array_;
};

// The kernels of the instruction set in use, for calls.hpp.
template <class T>
struct Host {
    using Entry = T;
    using Array = HostArray;

    void generate(const auto&... a) const { run(table().generate, a...); }
    void affine(const auto&... a) const { run(table().affine, a...); }
    void conv(const auto&... a) const { run(table().conv, a...); }
    void activation_jvp(const auto&... a) const { run(table().activation_jvp, a...); }
    void scaled_tangents(const auto&... a) const { run(table().scaled_tangents, a...); }
    void axpby(const auto&... a) const { run(table().axpby, a...); }
    void weighted_rows(const auto&... a) const { run(table().weighted_rows, a...); }
    void cross_entropy_jvp(int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels,
                           const auto&... a) const {
        for (int64_t r = 0; r < rows; ++r) {
            if (labels[r] < 0 || labels[r] >= n) {
                refuse("labels", "class numbers below the number of classes");
            }
        }
        run(table().cross_entropy_jvp, k, rows, n, z, labels, a...);
    }
    void gram(const auto&... a) const { run(table().gram, a...); }
    void combine(const auto&... a) const { run(table().combine, a...); }
    void coefficients(const auto&... a) const { run(kernels().coefficients, a...); }

 private:
    static const TypedKernels<T>& table() {
        if constexpr (sizeof(T) == sizeof(float)) {
            return kernels().f32;
        } else {
            return kernels().f64;
        }
    }
    static void run(auto kernel, const auto&... a) {
        const py::gil_scoped_release release;
        kernel(a...);
    }
};

// A function that is one of two, by the dtype of its argument number I.
template <size_t I, class... Arguments>
auto by_dtype(void (*f32)(const Host<float>&, Arguments...), void (*f64)(const Host<double>&, Arguments...)) {
    return [f32, f64](Arguments... arguments) {
        const HostArray array(std::get<I>(std::tie(arguments...)), "array");
        array.holds<float>() ? f32({}, arguments...) : f64({}, arguments...);
    };
}

void gram_of(Object v, int itemsize, bool per_row, bool exact, Object g) {
    itemsize == sizeof(float) ? gram(Host<float>(), v, per_row, exact, g) : gram(Host<double>(), v, per_row, exact, g);
}

void combine_of(Object c, Object v, int itemsize, Object out) {
    itemsize == sizeof(float) ? combine(Host<float>(), c, v, out) : combine(Host<double>(), c, v, out);
}

int64_t probe_fma(int64_t rounds, Object sink) {
    const int64_t tasks = size_of(HostArray(sink, "sink"));
    float* data = writable<float, HostArray>(sink, tasks, "sink");
    const py::gil_scoped_release release;
    return kernels().probe_fma(tasks, rounds, data);
}

void probe_read(Object a, Object sink) {
    const int64_t n = size_of(HostArray(a, "a"));
    const float* data = contiguous<float, HostArray>(a, n, "a");
    float* sum = writable<float, HostArray>(sink, 1, "sink");
    const py::gil_scoped_release release;
    kernels().probe_read(data, n, sum);
}

void probe_copy(Object a, Object b) {
    const int64_t n = size_of(HostArray(a, "a"));
    const float* from = contiguous<float, HostArray>(a, n, "a");
    float* to = writable<float, HostArray>(b, n, "b");
    if (reinterpret_cast<uintptr_t>(to) % 64 != 0) {
        refuse("b", "memory aligned to a cache line");
    }
    const py::gil_scoped_release release;
    kernels().probe_copy(from, n, to);
}

py::dict info() {
    py::dict result;
    result["isa"] = kernels().isa;
    result["isas"] = built_isas();
    result["compiler"] = FWDAD_COMPILER;
    result["cuda"] = FWDAD_CUDA_STATUS;  // why there are no CUDA kernels, if there are none
    return result;
}

}  // namespace
}  // namespace fwdad

PYBIND11_MODULE(_native, module) {
    using fwdad::by_dtype, fwdad::Host, fwdad::Object;
    module.doc() = "The native CPU kernels of fwdad.kernels, which validates their arguments.";
    module.def("generate", by_dtype<1>(&fwdad::generate<Host<float>>, &fwdad::generate<Host<double>>));
    module.def("affine_jvp", by_dtype<0>(&fwdad::affine_jvp<Host<float>>, &fwdad::affine_jvp<Host<double>>));
    module.def("stream_product",
               by_dtype<0>(&fwdad::stream_product<Host<float>>, &fwdad::stream_product<Host<double>>));
    module.def("matmul", by_dtype<0>(&fwdad::matmul<Host<float>>, &fwdad::matmul<Host<double>>));
    module.def("conv_jvp", by_dtype<0>(&fwdad::conv_jvp<Host<float>>, &fwdad::conv_jvp<Host<double>>));
    module.def("gram", &fwdad::gram_of);
    module.def("combine", &fwdad::combine_of);
    module.def("projection_coefficients", [](Object gram, Object d, Object c, Object rank, Object margin) {
        fwdad::projection_coefficients(Host<double>(), gram, d, c, rank, margin);
    });
    module.def("activation_jvp",
               by_dtype<1>(&fwdad::activation_jvp<Host<float>>, &fwdad::activation_jvp<Host<double>>));
    module.def("scaled_tangents",
               by_dtype<0>(&fwdad::scaled_tangents<Host<float>>, &fwdad::scaled_tangents<Host<double>>));
    module.def("axpby", by_dtype<1>(&fwdad::axpby<Host<float>>, &fwdad::axpby<Host<double>>));
    module.def("weighted_rows", by_dtype<0>(&fwdad::weighted_rows<Host<float>>, &fwdad::weighted_rows<Host<double>>));
    module.def("cross_entropy_jvp",
               by_dtype<0>(&fwdad::cross_entropy_jvp<Host<float>>, &fwdad::cross_entropy_jvp<Host<double>>));
    module.def("probe_fma", &fwdad::probe_fma);
    module.def("probe_read", &fwdad::probe_read);
    module.def("probe_copy", &fwdad::probe_copy);
    module.def("empty", &fwdad::empty);
    module.def("set_num_threads", &fwdad::set_num_threads);
    module.def("get_num_threads", &fwdad::get_num_threads);
    module.def("select_isa", &fwdad::select_isa);
    module.def("info", &fwdad::info);
}
