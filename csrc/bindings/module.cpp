// fwdad._native: the kernels as Python functions. Arguments come validated from python/fwdad/kernels; the checks here
// keep a wrong call from touching memory that is not its own. Results are written into arrays that the caller made. The
// GIL is released while a kernel runs, so that other Python threads go on.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>

#include "arguments.hpp"
#include "dispatch.hpp"
#include "threads.hpp"

namespace py = pybind11;

namespace fwdad {
namespace {

template <class T>
bool holds(const py::array& array) {
    static const PyObject* const type = py::dtype::of<T>().release().ptr();
    return py::detail::array_proxy(array.ptr())->descr == type || array.dtype().equal(py::dtype::of<T>());
}

// A C-contiguous array of n entries to write to, or to read from.
template <class T>
T* writable(py::array& array, int64_t n, const char* name) {
    if (!holds<T>(array)) {
        refuse(name, name_of<T>);
    }
    if ((array.flags() & py::array::c_style) == 0 || !array.writeable() || array.size() != n) {
        refuse(name, "a writable C-contiguous array of the result's size");
    }
    return static_cast<T*>(array.mutable_data());
}

template <class T>
const T* contiguous(const py::array& array, int64_t n, const char* name) {
    if (!holds<T>(array)) {
        refuse(name, name_of<T>);
    }
    if ((array.flags() & py::array::c_style) == 0 || array.size() != n) {
        refuse(name, "a C-contiguous array that fits the others");
    }
    return static_cast<const T*>(array.data());
}

// Any aligned array of the shape (batch, rows, columns), (rows, columns) or, if a row is the same for all, less one
// axis.
enum class Missing { none, row };

template <class T>
Matrix<T> matrix(const py::object& object, int64_t batch, int64_t rows, int64_t columns, const char* name, bool batched,
                 Missing may_miss = Missing::none) {
    if (object.is_none()) {
        return {nullptr, 0, 0, 0};
    }
    if (!py::isinstance<py::array>(object)) {
        refuse(name, "an array or None");
    }
    const auto& array = py::reinterpret_borrow<py::array>(object);
    if (!holds<T>(array)) {
        refuse(name, name_of<T>);
    }
    const py::ssize_t axes = array.ndim() - (batched ? 1 : 0);
    const bool whole = axes == 2;
    if (!(whole || (axes == 1 && may_miss == Missing::row)) || (batched && array.shape(0) != batch) ||
        (whole && array.shape(array.ndim() - 2) != rows) || array.shape(array.ndim() - 1) != columns) {
        refuse(name, "a shape that fits the others");
    }
    const auto stride = [&](py::ssize_t axis) {
        if (array.strides(axis) % static_cast<py::ssize_t>(sizeof(T)) != 0) {
            refuse(name, "an aligned array");
        }
        return static_cast<int64_t>(array.strides(axis)) / static_cast<int64_t>(sizeof(T));
    };
    const auto* data = static_cast<const T*>(array.data());
    if (reinterpret_cast<uintptr_t>(data) % alignof(T) != 0) {
        refuse(name, "an aligned array");
    }
    return {data, batched ? stride(0) : 0, whole ? stride(array.ndim() - 2) : 0, stride(array.ndim() - 1)};
}

// The directions of gram and combine: an array (k, ...) as (k, 1, entries) or, per row, (k, rows, columns); or a
// stream.
template <class T>
Directions<T> directions(const py::object& v, bool per_row, std::optional<Stream>& stream) {
    if (py::isinstance<py::tuple>(v)) {
        stream = stream_of(py::reinterpret_borrow<py::tuple>(v));
        const bool vector = stream->entries >= 0;
        return {nullptr, &*stream, stream->k, vector ? 1 : stream->rows, vector ? stream->entries : stream->columns};
    }
    const auto array = py::cast<py::array>(v);
    if (array.ndim() < 1 || (per_row && array.ndim() != 3)) {
        refuse("v", "shape (k, ...), or (k, B, n) per row");
    }
    const T* data = contiguous<T>(array, array.size(), "v");
    if (per_row) {
        return {data, nullptr, array.shape(0), array.shape(1), array.shape(2)};
    }
    const int64_t k = array.shape(0);
    return {data, nullptr, k, 1, k == 0 ? 0 : array.size() / k};
}

const TypedKernels<float>& typed(const float*) { return kernels().f32; }
const TypedKernels<double>& typed(const double*) { return kernels().f64; }
template <class T>
const TypedKernels<T>& typed_kernels() {
    return typed(static_cast<const T*>(nullptr));
}

template <class T>
void generate_as(const Stream& stream, py::array& out) {
    T* data = writable<T>(out, stream.k * entries_of(stream), "out");
    const py::gil_scoped_release release;
    typed_kernels<T>().generate(stream, data);
}

void generate(const py::tuple& stream, py::array out) {
    holds<float>(out) ? generate_as<float>(stream_of(stream), out) : generate_as<double>(stream_of(stream), out);
}

template <class T>
void affine_as(const py::array& x, const py::array& w, const py::object& b, const py::object& dx, const py::object& dw,
               const py::object& db, const std::string& activation, py::array& y, const py::object& dy) {
    if (x.ndim() != 2 || w.ndim() != 2) {
        refuse("x, w", "two axes");
    }
    Affine<T> a{};
    a.m = x.shape(0);
    a.depth = x.shape(1);
    a.n = w.shape(1);
    a.x = matrix<T>(x, 0, a.m, a.depth, "x", false);
    a.w = matrix<T>(w, 0, a.depth, a.n, "w", false);
    a.b = matrix<T>(b, 0, a.m, a.n, "b", false, Missing::row);
    a.activation = activation_of(activation);
    a.y = writable<T>(y, a.m * a.n, "y");
    std::optional<Stream> stream;
    if (!dy.is_none()) {
        auto tangents = py::cast<py::array>(dy);
        a.k = tangents.ndim() == 3 ? tangents.shape(0) : 0;
        a.dy = writable<T>(tangents, a.k * a.m * a.n, "dy");
        a.dx = matrix<T>(dx, a.k, a.m, a.depth, "dx", true);
        a.db = matrix<T>(db, a.k, a.m, a.n, "db", true, Missing::row);
        if (py::isinstance<py::tuple>(dw)) {
            stream = stream_of(py::reinterpret_borrow<py::tuple>(dw));
            if (stream->k != a.k || stream->rows != a.depth || stream->columns != a.n || stream->entries >= 0) {
                refuse("dw", "a stream that fits the others");
            }
            a.dw_stream = &*stream;
        } else {
            a.dw = matrix<T>(dw, a.k, a.depth, a.n, "dw", true);
        }
    }
    const py::gil_scoped_release release;
    typed_kernels<T>().affine(a);
}

void affine_jvp(const py::array& x, const py::array& w, const py::object& b, const py::object& dx, const py::object& dw,
                const py::object& db, const std::string& activation, py::array y, const py::object& dy) {
    const auto affine = holds<float>(x) ? affine_as<float> : affine_as<double>;
    affine(x, w, b, dx, dw, db, activation, y, dy);
}

using Pair = std::array<int64_t, 2>;

template <class T>
void conv_as(const py::array& x, const py::object& w, const py::object& b, const py::object& dx, const py::object& dw,
             const py::object& db, const std::array<Pair, 4>& window, const std::string& activation, py::array& y,
             const py::object& dy) {
    if (x.ndim() != 4 || y.ndim() != 4) {
        refuse("x, y", "four axes");
    }
    Conv<T> a{};
    a.images = x.shape(0);
    a.height = x.shape(1);
    a.width = x.shape(2);
    a.channels = x.shape(3);
    a.rows = y.shape(1);
    a.columns = y.shape(2);
    a.n = y.shape(3);
    const int64_t sizes[2] = {a.height, a.width};
    const int64_t outputs[2] = {a.rows, a.columns};
    for (size_t j = 0; j < 2; ++j) {
        a.kernel[j] = window[0][j];
        a.stride[j] = window[1][j];
        a.padding[j] = window[2][j];
        a.dilation[j] = window[3][j];
        if (a.kernel[j] < 1 || a.stride[j] < 1 || a.padding[j] < 0 || a.dilation[j] < 1 ||
            outputs[j] != (sizes[j] + 2 * a.padding[j] - a.dilation[j] * (a.kernel[j] - 1) - 1) / a.stride[j] + 1) {
            refuse("window", "pairs in their ranges that give y's size");
        }
    }
    const int64_t depth = a.kernel[0] * a.kernel[1] * a.channels;
    const int64_t positions = a.images * a.rows * a.columns;
    a.x = contiguous<T>(x, x.size(), "x");
    a.w = matrix<T>(w, 0, depth, a.n, "w", false);
    a.b = matrix<T>(b, 0, positions, a.n, "b", false, Missing::row);
    a.activation = activation_of(activation);
    a.y = writable<T>(y, positions * a.n, "y");
    std::optional<Stream> stream;
    if (!dy.is_none()) {
        auto tangents = py::cast<py::array>(dy);
        a.k = tangents.ndim() == 5 ? tangents.shape(0) : 0;
        a.dy = writable<T>(tangents, a.k * positions * a.n, "dy");
        if (!dx.is_none()) {
            a.dx = contiguous<T>(py::cast<py::array>(dx), a.k * x.size(), "dx");
        }
        a.db = matrix<T>(db, a.k, positions, a.n, "db", true, Missing::row);
        if (py::isinstance<py::tuple>(dw)) {
            stream = stream_of(py::reinterpret_borrow<py::tuple>(dw));
            if (stream->k != a.k || stream->rows != depth || stream->columns != a.n || stream->entries >= 0) {
                refuse("dw", "a stream that fits the others");
            }
            a.dw_stream = &*stream;
        } else {
            a.dw = matrix<T>(dw, a.k, depth, a.n, "dw", true);
        }
    }
    const py::gil_scoped_release release;
    typed_kernels<T>().conv(a);
}

void conv_jvp(const py::array& x, const py::object& w, const py::object& b, const py::object& dx, const py::object& dw,
              const py::object& db, const std::array<Pair, 4>& window, const std::string& activation, py::array y,
              const py::object& dy) {
    const auto conv = holds<float>(x) ? conv_as<float> : conv_as<double>;
    conv(x, w, b, dx, dw, db, window, activation, y, dy);
}

template <class T>
void product_as(const py::array& x, const Stream& stream, py::array& out) {
    if (x.ndim() != 2 || stream.entries >= 0) {
        refuse("x, stream", "matrices");
    }
    Affine<T> a{};
    a.m = x.shape(0);
    a.depth = x.shape(1);
    a.n = stream.columns;
    a.k = stream.k;
    a.x = matrix<T>(x, 0, a.m, stream.rows, "x", false);
    a.dw_stream = &stream;
    a.dy = writable<T>(out, a.k * a.m * a.n, "out");
    const py::gil_scoped_release release;
    typed_kernels<T>().affine(a);
}

void stream_product(const py::array& x, const py::tuple& stream, py::array out) {
    holds<float>(x) ? product_as<float>(x, stream_of(stream), out) : product_as<double>(x, stream_of(stream), out);
}

template <class T>
void gram_as(const py::object& v, bool per_row, bool exact, py::array& g) {
    std::optional<Stream> stream;
    const Directions<T> all = directions<T>(v, per_row, stream);
    double* out = writable<double>(g, (per_row ? all.rows : 1) * all.k * all.k, "g");
    const py::gil_scoped_release release;
    typed_kernels<T>().gram(all, per_row, exact, out);
}

void gram(const py::object& v, int itemsize, bool per_row, bool exact, py::array g) {
    itemsize == sizeof(float) ? gram_as<float>(v, per_row, exact, g) : gram_as<double>(v, per_row, exact, g);
}

template <class T>
void combine_as(const py::array& c, const py::object& v, py::array& out) {
    const bool per_row = c.ndim() == 2;
    std::optional<Stream> stream;
    const Directions<T> all = directions<T>(v, per_row, stream);
    const double* factors = contiguous<double>(c, (per_row ? all.rows : 1) * all.k, "c");
    if (all.k == 0) {
        refuse("v", "at least one direction");
    }
    T* data = writable<T>(out, all.rows * all.columns, "out");
    const py::gil_scoped_release release;
    typed_kernels<T>().combine(factors, all, per_row, data);
}

void combine(const py::array& c, const py::object& v, int itemsize, py::array out) {
    itemsize == sizeof(float) ? combine_as<float>(c, v, out) : combine_as<double>(c, v, out);
}

void projection_coefficients(const py::array& gram, const py::array& d, py::array c, py::array rank, py::array margin) {
    if (d.ndim() < 1) {
        refuse("d", "at least one axis");
    }
    const int64_t k = d.shape(d.ndim() - 1);
    const int64_t batch = rank.size();
    const double* gram_data = contiguous<double>(gram, batch * k * k, "gram");
    const double* d_data = contiguous<double>(d, batch * k, "d");
    double* c_data = writable<double>(c, batch * k, "c");
    int64_t* rank_data = writable<int64_t>(rank, batch, "rank");
    double* margin_data = writable<double>(margin, batch, "margin");
    const py::gil_scoped_release release;
    kernels().coefficients(gram_data, d_data, batch, k, c_data, rank_data, margin_data);
}

template <class T>
void activation_as(const std::string& activation, const py::array& x, const py::array& dx, py::array& y,
                   py::array& dy) {
    const int64_t n = x.size();
    const int64_t k = n == 0 ? 0 : dx.size() / n;
    const T* x_data = contiguous<T>(x, n, "x");
    const T* dx_data = contiguous<T>(dx, k * n, "dx");
    T* y_data = writable<T>(y, n, "y");
    T* dy_data = writable<T>(dy, k * n, "dy");
    const Activation known = activation_of(activation);
    const py::gil_scoped_release release;
    typed_kernels<T>().activation_jvp(known, k, n, x_data, dx_data, y_data, dy_data);
}

void activation_jvp(const std::string& activation, const py::array& x, const py::array& dx, py::array y, py::array dy) {
    holds<float>(x) ? activation_as<float>(activation, x, dx, y, dy) : activation_as<double>(activation, x, dx, y, dy);
}

template <class T>
void scaled_as(const py::array& a, const py::array& dx, const py::object& b, const py::object& dy, py::array& out) {
    const int64_t n = a.size();
    const int64_t k = n == 0 ? 0 : dx.size() / n;
    const T* a_data = contiguous<T>(a, n, "a");
    const T* dx_data = contiguous<T>(dx, k * n, "dx");
    const bool two = !b.is_none();
    const T* b_data = two ? contiguous<T>(py::cast<py::array>(b), n, "b") : nullptr;
    const T* dy_data = two ? contiguous<T>(py::cast<py::array>(dy), k * n, "dy") : nullptr;
    T* out_data = writable<T>(out, k * n, "out");
    const py::gil_scoped_release release;
    typed_kernels<T>().scaled_tangents(k, n, a_data, dx_data, b_data, dy_data, out_data);
}

void scaled_tangents(const py::array& a, const py::array& dx, const py::object& b, const py::object& dy,
                     py::array out) {
    holds<float>(a) ? scaled_as<float>(a, dx, b, dy, out) : scaled_as<double>(a, dx, b, dy, out);
}

template <class T>
void weighted_as(const py::array& w, const py::array& dx, py::array& out) {
    const int64_t rows = w.shape(0);
    const int64_t n = w.shape(1);
    const int64_t k = dx.shape(0);
    const T* w_data = contiguous<T>(w, rows * n, "w");
    const T* dx_data = contiguous<T>(dx, k * rows * n, "dx");
    T* out_data = writable<T>(out, k * rows, "out");
    const py::gil_scoped_release release;
    typed_kernels<T>().weighted_rows(k, rows, n, w_data, dx_data, out_data);
}

void weighted_rows(const py::array& w, const py::array& dx, py::array out) {
    if (w.ndim() != 2 || dx.ndim() != 3) {
        refuse("w, dx", "two and three axes");
    }
    holds<float>(w) ? weighted_as<float>(w, dx, out) : weighted_as<double>(w, dx, out);
}

template <class T>
void cross_entropy_as(const py::array& z, const py::array& labels, const py::array& dz, py::array& loss,
                      py::array& dloss) {
    const int64_t rows = z.shape(0);
    const int64_t n = z.shape(1);
    const int64_t k = dz.shape(0);
    const T* z_data = contiguous<T>(z, rows * n, "z");
    const int64_t* label_data = contiguous<int64_t>(labels, rows, "labels");
    for (int64_t r = 0; r < rows; ++r) {
        if (label_data[r] < 0 || label_data[r] >= n) {
            refuse("labels", "class numbers below the number of classes");
        }
    }
    const T* dz_data = contiguous<T>(dz, k * rows * n, "dz");
    T* loss_data = writable<T>(loss, rows, "loss");
    T* dloss_data = writable<T>(dloss, k * rows, "dloss");
    const py::gil_scoped_release release;
    typed_kernels<T>().cross_entropy_jvp(k, rows, n, z_data, label_data, dz_data, loss_data, dloss_data);
}

void cross_entropy_jvp(const py::array& z, const py::array& labels, const py::array& dz, py::array loss,
                       py::array dloss) {
    if (z.ndim() != 2 || dz.ndim() != 3) {
        refuse("z, dz", "two and three axes");
    }
    holds<float>(z) ? cross_entropy_as<float>(z, labels, dz, loss, dloss)
                    : cross_entropy_as<double>(z, labels, dz, loss, dloss);
}

int64_t probe_fma(int64_t rounds, py::array sink) {
    float* data = writable<float>(sink, sink.size(), "sink");
    const int64_t tasks = sink.size();
    const py::gil_scoped_release release;
    return kernels().probe_fma(tasks, rounds, data);
}

void probe_read(const py::array& a, py::array sink) {
    const float* data = contiguous<float>(a, a.size(), "a");
    float* sum = writable<float>(sink, 1, "sink");
    const int64_t n = a.size();
    const py::gil_scoped_release release;
    kernels().probe_read(data, n, sum);
}

void probe_copy(const py::array& a, py::array b) {
    const float* from = contiguous<float>(a, a.size(), "a");
    float* to = writable<float>(b, a.size(), "b");
    if (reinterpret_cast<uintptr_t>(to) % 64 != 0) {
        refuse("b", "memory aligned to a cache line");
    }
    const int64_t n = a.size();
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
    module.doc() = "The native CPU kernels of fwdad.kernels, which validates their arguments.";
    module.def("generate", &fwdad::generate);
    module.def("affine_jvp", &fwdad::affine_jvp);
    module.def("stream_product", &fwdad::stream_product);
    module.def("conv_jvp", &fwdad::conv_jvp);
    module.def("gram", &fwdad::gram);
    module.def("combine", &fwdad::combine);
    module.def("projection_coefficients", &fwdad::projection_coefficients);
    module.def("activation_jvp", &fwdad::activation_jvp);
    module.def("scaled_tangents", &fwdad::scaled_tangents);
    module.def("weighted_rows", &fwdad::weighted_rows);
    module.def("cross_entropy_jvp", &fwdad::cross_entropy_jvp);
    module.def("probe_fma", &fwdad::probe_fma);
    module.def("probe_read", &fwdad::probe_read);
    module.def("probe_copy", &fwdad::probe_copy);
    module.def("set_num_threads", &fwdad::set_num_threads);
    module.def("get_num_threads", &fwdad::get_num_threads);
    module.def("select_isa", &fwdad::select_isa);
    module.def("info", &fwdad::info);
}
