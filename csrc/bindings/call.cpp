#include "call.hpp"

#include <algorithm>

namespace py = pybind11;

namespace fwdad {
namespace {

template <class T>
T number_of(const Contract& contract, size_t j, py::handle object, const char* expected) {
    try {
        return object.cast<T>();
    } catch (const py::cast_error&) {
        contract.refuse_type(contract.name(j),
                             std::string("expected ") + expected + ", given " + Py_TYPE(object.ptr())->tp_name);
    }
}

Activation activation_of(const Contract& contract, size_t j, py::handle object) {
    const auto name = number_of<std::string>(contract, j, object, "the name of an activation");
#define FWDAD_NAME(activation)         \
    if (name == #activation) {         \
        return Activation::activation; \
    }
    FWDAD_ACTIVATIONS(FWDAD_NAME)
#undef FWDAD_NAME
    contract.refuse(contract.name(j), "expected the name of an activation, given '" + name + "'");
}

Window window_of(const Contract& contract, size_t j, py::handle object) {
    const auto pairs = number_of<std::array<std::array<int64_t, 2>, 4>>(contract, j, object, "four pairs of integers");
    Window window{};
    int64_t (*const fields[])[2] = {&window.kernel, &window.stride, &window.padding, &window.dilation};
    for (size_t p = 0; p < pairs.size(); ++p) {
        std::copy(pairs[p].begin(), pairs[p].end(), *fields[p]);
    }
    return window;
}

// A stream is a tuple of nine: (seed, step, parameter, rows_per_call, k, rows, columns, entries, itemsize).
void read_stream(const Contract& contract, size_t j, py::handle object, Argument& argument) {
    const auto fields = py::reinterpret_borrow<py::tuple>(object);
    Stream& s = argument.stream;
    int64_t itemsize = 0;
    try {
        if (fields.size() != 9) {
            throw py::cast_error();
        }
        s = {fields[0].cast<uint64_t>(), fields[1].cast<uint32_t>(), fields[2].cast<uint32_t>(),
             fields[3].cast<int64_t>(),  fields[4].cast<int64_t>(),  fields[5].cast<int64_t>(),
             fields[6].cast<int64_t>(),  fields[7].cast<int64_t>()};
        itemsize = fields[8].cast<int64_t>();
    } catch (const py::cast_error&) {
        contract.refuse(contract.name(j), "expected a stream, a tuple of nine integers");
    }
    const int64_t most = int64_t{1} << 32;  // blocks of rows, and columns: what the counter has room for
    const bool is_vector = s.entries >= 0;
    if ((s.rows_per_call != 4 && s.rows_per_call != 128) || s.parameter >= 1 << 16 || s.k < 0 || s.k > 1 << 16 ||
        s.rows < 0 || s.rows > most * s.rows_per_call || s.columns < 0 || s.columns > most || s.entries < -1 ||
        (itemsize != 4 && itemsize != 8) ||
        (is_vector && (s.rows != s.rows_per_call || s.entries > s.rows * s.columns))) {
        contract.refuse(contract.name(j), "expected a stream whose fields are in their ranges, given " +
                                              py::str(object).cast<std::string>());
    }
    argument.is_stream = true;
    argument.entries = itemsize == 4 ? Entries::f32 : Entries::f64;
    argument.axes = is_vector ? 2 : 3;
    const int64_t shape[] = {s.k, is_vector ? s.entries : s.rows, s.columns};
    std::copy(shape, shape + 3, argument.array_shape);
    std::fill(argument.array_stride, argument.array_stride + 3, 0);
}

}  // namespace

void read(const Contract& contract, size_t j, py::handle object, ReadArray read_array, Argument& argument) {
    argument.is_none = object.is_none();
    argument.is_stream = false;
    argument.data = nullptr;
    argument.entries = Entries::none;
    const Kind kind = contract.parameter(j).kind;
    switch (kind) {
        case Kind::number:
            argument.number = number_of<double>(contract, j, object, "a number");
            return;
        case Kind::integer:
            argument.integer = number_of<int64_t>(contract, j, object, "an integer");
            return;
        case Kind::flag:
            if (!PyBool_Check(object.ptr())) {
                contract.refuse_type(contract.name(j), "expected True or False");
            }
            argument.flag = object.ptr() == Py_True;
            return;
        case Kind::activation:
            argument.activation = activation_of(contract, j, object);
            return;
        case Kind::window:
            argument.window = window_of(contract, j, object);
            return;
        default:
            break;
    }
    if (argument.is_none) {
        return;  // the contract says whether it may be
    }
    const bool takes_stream = kind == Kind::stream || kind == Kind::directions;
    if (takes_stream && PyTuple_Check(object.ptr())) {
        read_stream(contract, j, object, argument);
        return;
    }
    if (kind == Kind::stream || !read_array(object, argument)) {
        const std::string expected = kind == Kind::stream ? "a stream"
                                     : takes_stream       ? "an array or a stream"
                                                          : "an array";
        contract.refuse_type(contract.name(j), "expected " + expected + ", given " + Py_TYPE(object.ptr())->tp_name);
    }
}

}  // namespace fwdad
