// fwdad._native: the CPU kernels as Python functions on NumPy arrays. Results are written into arrays that the caller
// made. The GIL is released while a kernel runs, so that other Python threads go on.
#include <pybind11/numpy.h>
#include <unistd.h>

#include <exception>

#include "call.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/memory.hpp"
#include "runtime/threads.hpp"

namespace py = pybind11;

namespace fwdad {
namespace {

Entries entries_of_dtype(PyObject* dtype) {
    static PyObject* const f32 = py::dtype::of<float>().release().ptr();
    static PyObject* const f64 = py::dtype::of<double>().release().ptr();
    static PyObject* const i64 = py::dtype::of<int64_t>().release().ptr();
    const auto equals = [&](PyObject* other) { return dtype == other || py::handle(dtype).equal(py::handle(other)); };
    return equals(f32) ? Entries::f32 : equals(f64) ? Entries::f64 : equals(i64) ? Entries::i64 : Entries::none;
}

bool read_array(py::handle object, Argument& argument) {
    if (!py::isinstance<py::array>(object)) {
        return false;
    }
    const auto* const array = py::detail::array_proxy(object.ptr());
    if (array->nd > most_array_axes) {
        return false;
    }
    argument.data = array->data;
    argument.writable = (array->flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_) != 0;
    argument.entries = entries_of_dtype(array->descr);
    argument.axes = array->nd;
    std::copy(array->dimensions, array->dimensions + array->nd, argument.array_shape);
    std::copy(array->strides, array->strides + array->nd, argument.array_stride);
    return true;
}

// Takes the GIL back. Python up to 3.13 ends a daemon thread that asks for it after the interpreter's end by unwinding
// its stack: through the destructor of a py::gil_scoped_release that aborts the process, and other destructors would
// touch Python's objects without the GIL. Such a thread stays here until the process ends, as it does from Python 3.14.
void take_gil(PyThreadState* state) {
    try {
        PyEval_RestoreThread(state);
    } catch (...) {  // no exception, but that unwinding
        for (;;) {
            pause();
        }
    }
}

void without_gil(const auto& body) {
    PyThreadState* const state = PyEval_SaveThread();
    std::exception_ptr failure;
    try {
        body();
    } catch (...) {
        failure = std::current_exception();
    }
    take_gil(state);
    if (failure) {
        std::rethrow_exception(failure);
    }
}

// The bodies of a kernel in the instruction set in use; the GIL is released.
template <class Bodies>
struct Run {
    const Bodies& bodies;
    void f32(const auto&... a) const {
        without_gil([&] { bodies.f32(a...); });
    }
    void f64(const auto&... a) const {
        without_gil([&] { bodies.f64(a...); });
    }
};

template <template <class> class Signature>
void define(py::module_& module, const char* name, const char* text, const char* entries,
            Bodies<Signature> Kernels::* bodies) {
    const auto contract = std::make_shared<const Contract>(name, text, entries, parameters_of<Signature>());
    module.def(
        name,
        [contract, bodies](const py::args& given) {
            call<Signature>(*contract, given, 0, read_array, Run<Bodies<Signature>>{kernels().*bodies});
        },
        (contract->signature("") + "\n\n" + text).c_str());
}

// An array of unspecified entries, in memory that large arrays which are gone have left.
py::array empty(const py::dtype& dtype, const std::vector<py::ssize_t>& shape) {
    if (std::string("biufc").find(dtype.kind()) == std::string::npos) {
        throw std::invalid_argument("empty: dtype: expected numbers, whose entries may be anything");
    }
    auto bytes = static_cast<size_t>(dtype.itemsize());  // where each size of 0 is 1: strides must fit too
    bool has_entries = true;
    for (const py::ssize_t n : shape) {
        const auto most = static_cast<size_t>(std::max<py::ssize_t>(n, 1));
        if (n < 0 || __builtin_mul_overflow(bytes, most, &bytes) || bytes > SIZE_MAX / 4) {
            throw std::invalid_argument("empty: shape: expected sizes that memory has room for");
        }
        has_entries = has_entries && n > 0;
    }
    auto* const block = new MemoryBlock(take_memory(has_entries ? bytes : 0));
    const py::capsule owner(block, [](void* own) {
        const std::unique_ptr<MemoryBlock> gone(static_cast<MemoryBlock*>(own));
        give_memory_back(*gone);
    });
    return {dtype, shape, block->memory, owner};
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
    py::options options;
    options.disable_function_signatures();  // what they say is in the first line of each docstring, for stubs.py
    module.doc() = "The CPU kernels of csrc/kernels.hpp; every call is checked.";
#define KERNEL(name, machines, entries, contract, ...) \
    fwdad::define<fwdad::signatures::name>(module, #name, contract, #entries, &fwdad::Kernels::name);
#include "kernels.hpp"
    module.def("empty", &fwdad::empty, "empty(dtype: np.dtype[Any], shape: Sequence[int], /) -> Array");
    module.def("set_num_threads", &fwdad::set_num_threads, "set_num_threads(n: int, /) -> None");
    module.def("get_num_threads", &fwdad::get_num_threads, "get_num_threads() -> int");
    module.def("select_isa", &fwdad::select_isa, "select_isa(name: str, /) -> None");
    module.def("info", &fwdad::info, "info() -> dict[str, Any]");
}
