// fwdad._cuda: the CUDA kernels as Python functions on arrays with __cuda_array_interface__ (CuPy's, zero-copy).
//
// Every kernel takes first where to run: (device, stream, allocate), a number, a cudaStream_t as a number, and a
// function from bytes to a device array. Kernels are queued on that stream and not waited for.
#include <string>
#include <vector>

#include "call.hpp"
#include "cuda/shared/device.hpp"
#include "cuda/shared/launch.hpp"
#include "signatures.hpp"
#ifdef FWDAD_CUDA_ON_HOST
#include "cuda/shared/block.hpp"
#endif

#define FWDAD_ON_CUDA_cpu(...)
#define FWDAD_ON_CUDA_cpu_cuda(...) __VA_ARGS__

namespace py = pybind11;

namespace fwdad::cuda {

#define KERNEL(name, machines, entries, contract, ...) \
    FWDAD_ON_CUDA_##machines(template <class T> void name(const Launch& at, __VA_ARGS__);)
#include "kernels.hpp"

}  // namespace fwdad::cuda

namespace fwdad {
namespace {

bool read_array(py::handle object, Argument& argument) {
    const py::object interface = py::getattr(object, "__cuda_array_interface__", py::none());
    if (interface.is_none()) {
        return false;
    }
    const auto about = py::cast<py::dict>(interface);
    const auto data = py::cast<py::tuple>(about["data"]);
    const auto type = about["typestr"].cast<std::string>();
    const auto shape = about["shape"].cast<std::vector<int64_t>>();
    const auto address = data[0].cast<uintptr_t>();
    // An array of no entries may have no memory: any address but null says that it is there.
    argument.data = reinterpret_cast<const void*>(address == 0 ? 16 : address);
    argument.writable = !data[1].cast<bool>();
    argument.entries = type == "<f4"   ? Entries::f32
                       : type == "<f8" ? Entries::f64
                       : type == "<i8" ? Entries::i64
                                       : Entries::none;
    argument.axes = static_cast<int>(shape.size());
    if (shape.size() > most_array_axes) {
        return false;
    }
    std::copy(shape.begin(), shape.end(), argument.array_shape);
    if (about.contains("strides") && !about["strides"].is_none()) {
        const auto strides = about["strides"].cast<std::vector<int64_t>>();
        if (strides.size() != shape.size()) {
            return false;
        }
        std::copy(strides.begin(), strides.end(), argument.array_stride);
        return true;
    }
    int64_t stride = argument.entries == Entries::f32 ? 4 : 8;
    for (size_t axis = shape.size(); axis-- > 0; stride *= shape[axis]) {
        argument.array_stride[axis] = stride;
    }
    return true;
}

// Where to run, as the kernels want it. Scratch memory is kept until the call returns: CuPy's pool gives it to nobody
// but the same stream, behind what this call has queued there.
class LaunchOfCall {
 public:
    explicit LaunchOfCall(const Contract& contract, const py::tuple& given) {
        try {
            const auto at = py::cast<py::tuple>(py::object(given[0]));
            if (at.size() != 3 || !PyCallable_Check(py::object(at[2]).ptr())) {
                throw py::cast_error();
            }
            launch_.device = at[0].cast<int>();
            launch_.stream = reinterpret_cast<void*>(at[1].cast<uintptr_t>());
            launch_.scratch = [this, allocate = py::object(at[2])](int64_t bytes) {
                kept_.push_back(allocate(bytes));
                const auto about = py::cast<py::dict>(kept_.back().attr("__cuda_array_interface__"));
                return reinterpret_cast<void*>(py::cast<py::tuple>(about["data"])[0].cast<uintptr_t>());
            };
        } catch (const py::cast_error&) {
            contract.refuse_type("at", "expected (device, stream, allocate)");
        }
    }
    LaunchOfCall(const LaunchOfCall&) = delete;
    LaunchOfCall& operator=(const LaunchOfCall&) = delete;
    const cuda::Launch& get() const { return launch_; }

 private:
    cuda::Launch launch_;
    std::vector<py::object> kept_;
};

template <class Signature>
struct WithLaunch;
template <class... P>
struct WithLaunch<void(P...)> {
    using Body = void (*)(const cuda::Launch&, P...);
};

// The bodies of a kernel; null for a type that it is not compiled for.
template <template <class> class Signature>
struct CudaBodies {
    typename WithLaunch<Signature<float>>::Body body32;
    typename WithLaunch<Signature<double>>::Body body64;
};

template <template <class> class Signature>
struct Run {
    const CudaBodies<Signature>& bodies;
    const cuda::Launch& launch;
    void f32(const auto&... a) const { bodies.body32(launch, a...); }
    void f64(const auto&... a) const { bodies.body64(launch, a...); }
};

template <template <class> class Signature>
void define(py::module_& module, const char* name, const char* text, const char* entries,
            const CudaBodies<Signature>& bodies) {
    const auto contract = std::make_shared<const Contract>(name, text, entries, parameters_of<Signature>());
    module.def(
        name,
        [contract, bodies](const py::args& given) {
            if (given.empty()) {
                contract->refuse_type("at", "expected (device, stream, allocate)");
            }
            const LaunchOfCall at(*contract, given);
            call<Signature>(*contract, given, 1, read_array, Run<Signature>{bodies, at.get()});
        },
        (contract->signature("at: At") + "\n\n" + text).c_str());
}

}  // namespace
}  // namespace fwdad

PYBIND11_MODULE(_cuda, module) {
    py::options options;
    options.disable_function_signatures();  // what they say is in the first line of each docstring, for stubs.py
    module.doc() = "The CUDA kernels of csrc/kernels.hpp; every call is checked.";
    {
        using namespace fwdad::cuda;  // NOLINT(google-build-using-namespace): the bodies that the list names
#define KERNEL(name, machines, entries, contract, ...) \
    FWDAD_ON_CUDA_##machines(                          \
        fwdad::define<fwdad::signatures::name>(module, #name, contract, #entries, FWDAD_BODIES_##entries(name));)
#include "kernels.hpp"
    }
    module.def("device_count", &fwdad::cuda::device_count, "device_count() -> int");
    module.def("built", &fwdad::cuda::built, "built() -> str");
#ifdef FWDAD_CUDA_ON_HOST
    module.def("set_turns", [](int turns) { fwdad::cuda::set_turns(static_cast<fwdad::cuda::Turns>(turns)); });
#endif
}
