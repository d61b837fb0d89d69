// fwdad._cuda: the CUDA kernels as Python functions on arrays with __cuda_array_interface__ (CuPy's, zero-copy).
//
// Every function takes first where to run: (device, stream, allocate), a number, a cudaStream_t as a number, and a
// function from bytes to a device array; and then, if there are two of it, "float32" or "float64". Kernels are queued
// on that stream and not waited for.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "../cuda/kernels.hpp"
#include "calls.hpp"
#ifdef FWDAD_CUDA_ON_HOST
#include "../cuda/block.hpp"
#endif

namespace py = pybind11;

namespace fwdad {
namespace {

// What __cuda_array_interface__ says.
class DeviceArray {
 public:
    DeviceArray(const py::object& object, const char* name) {
        if (!py::hasattr(object, "__cuda_array_interface__")) {
            refuse(name, "a device array");
        }
        const auto about = py::cast<py::dict>(object.attr("__cuda_array_interface__"));
        const auto data = py::cast<py::tuple>(about["data"]);
        data_ = data[0].cast<uintptr_t>();
        read_only_ = data[1].cast<bool>();
        type_ = about["typestr"].cast<std::string>();
        shape_ = about["shape"].cast<std::vector<int64_t>>();
        if (about.contains("strides") && !about["strides"].is_none()) {
            strides_ = about["strides"].cast<std::vector<int64_t>>();
        } else {
            strides_.resize(shape_.size());
            int64_t stride = std::stoi(type_.substr(2));
            for (size_t axis = shape_.size(); axis-- > 0; stride *= shape_[axis]) {
                strides_[axis] = stride;
            }
        }
    }

    template <class T>
    bool holds() const {
        return type_ == (std::integral<T> ? "<i8" : sizeof(T) == 4 ? "<f4" : "<f8");
    }
    // An array of no entries may have no memory: any address but null says that it is there.
    const void* data() const { return reinterpret_cast<const void*>(data_ == 0 ? 16 : data_); }
    bool writable() const { return !read_only_; }
    size_t axes() const { return shape_.size(); }
    int64_t shape(size_t axis) const { return shape_[axis]; }
    int64_t stride(size_t axis) const { return strides_[axis]; }

 private:
    uintptr_t data_;
    bool read_only_;
    std::string type_;
    std::vector<int64_t> shape_;
    std::vector<int64_t> strides_;
};

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

// The kernels of a place, for calls.hpp.
template <class T>
struct Device {
    using Entry = T;
    using Array = DeviceArray;
    const Place& at;

    void generate(const auto&... a) const { cuda::generate(at, a...); }
    void affine(const auto&... a) const { cuda::affine(at, a...); }
    void activation_jvp(const auto&... a) const { cuda::activation_jvp(at, a...); }
    void scaled_tangents(const auto&... a) const { cuda::scaled_tangents(at, a...); }
    void weighted_rows(const auto&... a) const { cuda::weighted_rows(at, a...); }
    void cross_entropy_jvp(const auto&... a) const { cuda::cross_entropy_jvp(at, a...); }
    void gram(const auto&... a) const { cuda::gram(at, a...); }
    void combine(const auto&... a) const { cuda::combine(at, a...); }
    void coefficients(const auto&... a) const { cuda::coefficients(at, a...); }
};

// Adds a function of (at, dtype, ...) that is one of two, of float32 or of float64.
template <class... Arguments>
void add(py::module_& module, const char* name, void (*f32)(const Device<float>&, Arguments...),
         void (*f64)(const Device<double>&, Arguments...)) {
    module.def(name, [f32, f64](const py::tuple& at, const std::string& dtype, Arguments... arguments) {
        const Place place(at);
        dtype == "float32" ? f32({place}, arguments...) : f64({place}, arguments...);
    });
}

}  // namespace
}  // namespace fwdad

PYBIND11_MODULE(_cuda, module) {
    using fwdad::add, fwdad::Device, fwdad::Object;
    module.doc() = "The CUDA kernels of fwdad.kernels, which validates their arguments.";
    add(module, "generate", &fwdad::generate<Device<float>>, &fwdad::generate<Device<double>>);
    add(module, "affine_jvp", &fwdad::affine_jvp<Device<float>>, &fwdad::affine_jvp<Device<double>>);
    add(module, "stream_product", &fwdad::stream_product<Device<float>>, &fwdad::stream_product<Device<double>>);
    add(module, "activation_jvp", &fwdad::activation_jvp<Device<float>>, &fwdad::activation_jvp<Device<double>>);
    add(module, "scaled_tangents", &fwdad::scaled_tangents<Device<float>>, &fwdad::scaled_tangents<Device<double>>);
    add(module, "weighted_rows", &fwdad::weighted_rows<Device<float>>, &fwdad::weighted_rows<Device<double>>);
    add(module, "cross_entropy_jvp", &fwdad::cross_entropy_jvp<Device<float>>,
        &fwdad::cross_entropy_jvp<Device<double>>);
    add(module, "gram", &fwdad::gram<Device<float>>, &fwdad::gram<Device<double>>);
    add(module, "combine", &fwdad::combine<Device<float>>, &fwdad::combine<Device<double>>);
    module.def("projection_coefficients",
               [](const py::tuple& at, Object gram, Object d, Object c, Object rank, Object margin) {
                   fwdad::projection_coefficients(Device<double>{fwdad::Place(at)}, gram, d, c, rank, margin);
               });
    module.def("device_count", &fwdad::cuda::device_count);
    module.def("built", &fwdad::cuda::built);
#ifdef FWDAD_CUDA_ON_HOST
    module.def("set_turns", [](int turns) { fwdad::cuda::set_turns(static_cast<fwdad::cuda::Turns>(turns)); });
#endif
}
