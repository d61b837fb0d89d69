// fwdad._cuda: the CUDA kernels as Python functions on arrays with __cuda_array_interface__ (CuPy's, zero-copy).
// Arguments come validated from python/fwdad/kernels; the checks here keep a wrong call from touching memory that is
// not its own.
//
// Every function takes first where to run: (device, stream, allocate), a number, a cudaStream_t as a number, and a
// function from bytes to a device array; and then, if there are two of it, "float32" or "float64". Kernels are queued
// on that stream and not waited for.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "../cuda/kernels.hpp"
#include "arguments.hpp"
#ifdef FWDAD_CUDA_ON_HOST
#include "../cuda/block.hpp"
#endif

namespace py = pybind11;

namespace fwdad {
namespace {

// What __cuda_array_interface__ says.
struct DeviceArray {
    uintptr_t data;
    bool read_only;
    std::string type;
    std::vector<int64_t> shape;
    std::vector<int64_t> strides;  // in bytes

    size_t axes() const { return shape.size(); }
    int64_t size() const {
        int64_t n = 1;
        for (const int64_t length : shape) {
            n *= length;
        }
        return n;
    }
};

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape, int64_t item) {
    std::vector<int64_t> strides(shape.size());
    for (size_t axis = shape.size(); axis-- > 0;) {
        strides[axis] = item;
        item *= shape[axis];
    }
    return strides;
}

template <class T>
DeviceArray array_of(const py::object& object, const char* name) {
    const char* const type = std::is_integral_v<T> ? "<i8" : sizeof(T) == 4 ? "<f4" : "<f8";
    if (!py::hasattr(object, "__cuda_array_interface__")) {
        refuse(name, "a device array");
    }
    const auto about = py::cast<py::dict>(object.attr("__cuda_array_interface__"));
    const auto data = py::cast<py::tuple>(about["data"]);
    DeviceArray array{data[0].cast<uintptr_t>(),
                      data[1].cast<bool>(),
                      about["typestr"].cast<std::string>(),
                      about["shape"].cast<std::vector<int64_t>>(),
                      {}};
    if (array.type != type) {
        refuse(name, std::is_integral_v<T> ? "an array of int64" : name_of<T>);
    }
    array.strides = contiguous_strides(array.shape, sizeof(T));
    if (about.contains("strides") && !about["strides"].is_none()) {
        array.strides = about["strides"].cast<std::vector<int64_t>>();
    }
    if (array.data % sizeof(T) != 0) {
        refuse(name, "an aligned array");
    }
    return array;
}

// A C-contiguous array of n entries to read from, or to write to.
template <class T>
const T* contiguous(const py::object& object, int64_t n, const char* name) {
    const DeviceArray array = array_of<T>(object, name);
    if (array.size() != n) {
        refuse(name, "an array that fits the others");
    }
    const std::vector<int64_t> expected = contiguous_strides(array.shape, sizeof(T));
    for (size_t axis = 0; axis < array.axes(); ++axis) {
        if (n != 0 && array.shape[axis] > 1 && array.strides[axis] != expected[axis]) {
            refuse(name, "a C-contiguous array");
        }
    }
    return reinterpret_cast<const T*>(array.data);
}

template <class T>
T* writable(const py::object& object, int64_t n, const char* name) {
    if (array_of<T>(object, name).read_only) {
        refuse(name, "a writable array");
    }
    return const_cast<T*>(contiguous<T>(object, n, name));
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
    const DeviceArray array = array_of<T>(object, name);
    const size_t axes = array.axes() - (batched ? 1 : 0);
    const bool whole = axes == 2;
    if (!(whole || (axes == 1 && may_miss == Missing::row)) || (batched && array.shape[0] != batch) ||
        (whole && array.shape[array.axes() - 2] != rows) || array.shape.back() != columns) {
        refuse(name, "a shape that fits the others");
    }
    for (const int64_t stride : array.strides) {
        if (stride % static_cast<int64_t>(sizeof(T)) != 0) {
            refuse(name, "an aligned array");
        }
    }
    const auto stride = [&](size_t axis) { return array.strides[axis] / static_cast<int64_t>(sizeof(T)); };
    // An array of no entries may have no memory: any address but null says that it is there.
    const auto* data = reinterpret_cast<const T*>(array.data == 0 ? alignof(T) : array.data);
    return {data, batched ? stride(0) : 0, whole ? stride(array.axes() - 2) : 0, stride(array.axes() - 1)};
}

// Where to run, as the kernels want it; scratch memory is kept until the call returns: CuPy's pool gives it to nobody
// but the same stream, behind what this call has queued there.
class Place {
 public:
    explicit Place(const py::tuple& at) {
        if (at.size() != 3) {
            refuse("at", "(device, stream, allocate)");
        }
        launch_.device = at[0].cast<int>();
        launch_.stream = reinterpret_cast<void*>(at[1].cast<uintptr_t>());
        launch_.scratch = [this, allocate = py::object(at[2])](int64_t bytes) {
            kept_.push_back(allocate(bytes));
            const auto about = py::cast<py::dict>(kept_.back().attr("__cuda_array_interface__"));
            return reinterpret_cast<void*>(py::cast<py::tuple>(about["data"])[0].cast<uintptr_t>());
        };
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    operator const cuda::Launch&() const { return launch_; }

 private:
    cuda::Launch launch_;
    std::vector<py::object> kept_;
};

template <class T>
Directions<T> directions(const py::object& v, bool per_row, std::optional<Stream>& stream) {
    if (py::isinstance<py::tuple>(v)) {
        stream = stream_of(py::reinterpret_borrow<py::tuple>(v));
        const bool vector = stream->entries >= 0;
        return {nullptr, &*stream, stream->k, vector ? 1 : stream->rows, vector ? stream->entries : stream->columns};
    }
    const DeviceArray array = array_of<T>(v, "v");
    if (array.axes() < 1 || (per_row && array.axes() != 3)) {
        refuse("v", "shape (k, ...), or (k, B, n) per row");
    }
    const T* data = contiguous<T>(v, array.size(), "v");
    data = data == nullptr ? reinterpret_cast<const T*>(alignof(T)) : data;
    if (per_row) {
        return {data, nullptr, array.shape[0], array.shape[1], array.shape[2]};
    }
    return {data, nullptr, array.shape[0], 1, array.shape[0] == 0 ? 0 : array.size() / array.shape[0]};
}

template <class T>
void generate(const Place& at, const py::tuple& descriptor, const py::object& out) {
    const Stream stream = stream_of(descriptor);
    cuda::generate(at, stream, writable<T>(out, stream.k * entries_of(stream), "out"));
}

template <class T>
void affine_jvp(const Place& at, const py::object& x, const py::object& w, const py::object& b, const py::object& dx,
                const py::object& dw, const py::object& db, const std::string& activation, const py::object& y,
                const py::object& dy) {
    const DeviceArray x_array = array_of<T>(x, "x"), w_array = array_of<T>(w, "w");
    if (x_array.axes() != 2 || w_array.axes() != 2) {
        refuse("x, w", "two axes");
    }
    Affine<T> a{};
    a.m = x_array.shape[0];
    a.depth = x_array.shape[1];
    a.n = w_array.shape[1];
    a.x = matrix<T>(x, 0, a.m, a.depth, "x", false);
    a.w = matrix<T>(w, 0, a.depth, a.n, "w", false);
    a.b = matrix<T>(b, 0, a.m, a.n, "b", false, Missing::row);
    a.activation = activation_of(activation);
    a.y = writable<T>(y, a.m * a.n, "y");
    std::optional<Stream> stream;
    if (!dy.is_none()) {
        const DeviceArray tangents = array_of<T>(dy, "dy");
        a.k = tangents.axes() == 3 ? tangents.shape[0] : 0;
        a.dy = writable<T>(dy, a.k * a.m * a.n, "dy");
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
    cuda::affine(at, a);
}

template <class T>
void stream_product(const Place& at, const py::object& x, const py::tuple& descriptor, const py::object& out) {
    const Stream stream = stream_of(descriptor);
    const DeviceArray array = array_of<T>(x, "x");
    if (array.axes() != 2 || stream.entries >= 0) {
        refuse("x, stream", "matrices");
    }
    Affine<T> a{};
    a.m = array.shape[0];
    a.depth = array.shape[1];
    a.n = stream.columns;
    a.k = stream.k;
    a.x = matrix<T>(x, 0, a.m, stream.rows, "x", false);
    a.dw_stream = &stream;
    a.dy = writable<T>(out, a.k * a.m * a.n, "out");
    cuda::affine(at, a);
}

template <class T>
void activation_jvp(const Place& at, const std::string& activation, const py::object& x, const py::object& dx,
                    const py::object& y, const py::object& dy) {
    const int64_t n = array_of<T>(x, "x").size();
    const int64_t k = n == 0 ? 0 : array_of<T>(dx, "dx").size() / n;
    cuda::activation_jvp(at, activation_of(activation), k, n, contiguous<T>(x, n, "x"), contiguous<T>(dx, k * n, "dx"),
                         writable<T>(y, n, "y"), writable<T>(dy, k * n, "dy"));
}

template <class T>
void scaled_tangents(const Place& at, const py::object& a, const py::object& dx, const py::object& b,
                     const py::object& dy, const py::object& out) {
    const int64_t n = array_of<T>(a, "a").size();
    const int64_t k = n == 0 ? 0 : array_of<T>(dx, "dx").size() / n;
    const bool two = !b.is_none();
    cuda::scaled_tangents(at, k, n, contiguous<T>(a, n, "a"), contiguous<T>(dx, k * n, "dx"),
                          two ? contiguous<T>(b, n, "b") : nullptr, two ? contiguous<T>(dy, k * n, "dy") : nullptr,
                          writable<T>(out, k * n, "out"));
}

template <class T>
void weighted_rows(const Place& at, const py::object& w, const py::object& dx, const py::object& out) {
    const DeviceArray weights = array_of<T>(w, "w"), tangents = array_of<T>(dx, "dx");
    if (weights.axes() != 2 || tangents.axes() != 3) {
        refuse("w, dx", "two and three axes");
    }
    const int64_t k = tangents.shape[0], rows = weights.shape[0], n = weights.shape[1];
    cuda::weighted_rows(at, k, rows, n, contiguous<T>(w, rows * n, "w"), contiguous<T>(dx, k * rows * n, "dx"),
                        writable<T>(out, k * rows, "out"));
}

template <class T>
void cross_entropy_jvp(const Place& at, const py::object& z, const py::object& labels, const py::object& dz,
                       const py::object& loss, const py::object& dloss) {
    const DeviceArray logits = array_of<T>(z, "z"), tangents = array_of<T>(dz, "dz");
    if (logits.axes() != 2 || tangents.axes() != 3) {
        refuse("z, dz", "two and three axes");
    }
    const int64_t k = tangents.shape[0], rows = logits.shape[0], n = logits.shape[1];
    cuda::cross_entropy_jvp(at, k, rows, n, contiguous<T>(z, rows * n, "z"),
                            contiguous<int64_t>(labels, rows, "labels"), contiguous<T>(dz, k * rows * n, "dz"),
                            writable<T>(loss, rows, "loss"), writable<T>(dloss, k * rows, "dloss"));
}

template <class T>
void gram(const Place& at, const py::object& v, bool per_row, bool exact, const py::object& g) {
    std::optional<Stream> stream;
    const Directions<T> all = directions<T>(v, per_row, stream);
    cuda::gram(at, all, per_row, exact, writable<double>(g, (per_row ? all.rows : 1) * all.k * all.k, "g"));
}

template <class T>
void combine(const Place& at, const py::object& c, const py::object& v, const py::object& out) {
    const bool per_row = array_of<double>(c, "c").axes() == 2;
    std::optional<Stream> stream;
    const Directions<T> all = directions<T>(v, per_row, stream);
    const double* factors = contiguous<double>(c, (per_row ? all.rows : 1) * all.k, "c");
    if (all.k == 0) {
        refuse("v", "at least one direction");
    }
    cuda::combine(at, factors, all, per_row, writable<T>(out, all.rows * all.columns, "out"));
}

void projection_coefficients(const py::tuple& at, const py::object& gram, const py::object& d, const py::object& c,
                             const py::object& rank, const py::object& margin) {
    const DeviceArray derivatives = array_of<double>(d, "d");
    if (derivatives.axes() < 1) {
        refuse("d", "at least one axis");
    }
    const int64_t k = derivatives.shape.back();
    const int64_t batch = array_of<int64_t>(rank, "rank").size();
    const Place place(at);
    cuda::coefficients(place, contiguous<double>(gram, batch * k * k, "gram"), contiguous<double>(d, batch * k, "d"),
                       batch, k, writable<double>(c, batch * k, "c"), writable<int64_t>(rank, batch, "rank"),
                       writable<double>(margin, batch, "margin"));
}

// Adds a function of (at, dtype, ...) that is one of two, of float32 or of float64.
template <class... Arguments>
void add(py::module_& module, const char* name, void (*f32)(const Place&, Arguments...),
         void (*f64)(const Place&, Arguments...)) {
    module.def(name, [f32, f64](const py::tuple& at, const std::string& dtype, Arguments... arguments) {
        (dtype == "float32" ? f32 : f64)(Place(at), arguments...);
    });
}

}  // namespace
}  // namespace fwdad

PYBIND11_MODULE(_cuda, module) {
    using fwdad::add;
    module.doc() = "The CUDA kernels of fwdad.kernels, which validates their arguments.";
    add(module, "generate", &fwdad::generate<float>, &fwdad::generate<double>);
    add(module, "affine_jvp", &fwdad::affine_jvp<float>, &fwdad::affine_jvp<double>);
    add(module, "stream_product", &fwdad::stream_product<float>, &fwdad::stream_product<double>);
    add(module, "activation_jvp", &fwdad::activation_jvp<float>, &fwdad::activation_jvp<double>);
    add(module, "scaled_tangents", &fwdad::scaled_tangents<float>, &fwdad::scaled_tangents<double>);
    add(module, "weighted_rows", &fwdad::weighted_rows<float>, &fwdad::weighted_rows<double>);
    add(module, "cross_entropy_jvp", &fwdad::cross_entropy_jvp<float>, &fwdad::cross_entropy_jvp<double>);
    add(module, "gram", &fwdad::gram<float>, &fwdad::gram<double>);
    add(module, "combine", &fwdad::combine<float>, &fwdad::combine<double>);
    module.def("projection_coefficients", &fwdad::projection_coefficients);
    module.def("device_count", &fwdad::cuda::device_count);
    module.def("built", &fwdad::cuda::built);
#ifdef FWDAD_CUDA_ON_HOST
    module.def("set_turns", [](int turns) { fwdad::cuda::set_turns(static_cast<fwdad::cuda::Turns>(turns)); });
#endif
}
