// From the call of a Python function to the call of a kernel, for all kernels of both machines. A kernel's C++
// parameters say what to read from Python, and its contract what is checked.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "contract.hpp"

namespace fwdad {

// Take<P>: what a parameter of type P takes from Python, and how it is made of a checked argument.
template <class P>
struct Take;

template <class T>
constexpr Entries entries_of = std::is_same_v<T, float>    ? Entries::f32
                               : std::is_same_v<T, double> ? Entries::f64
                                                           : Entries::i64;

template <class T>
    requires std::is_floating_point_v<T>
struct Take<T> {
    static constexpr Parameter parameter{Kind::number, Entries::none};
    static T from(const Argument& a) { return static_cast<T>(a.number); }
};
template <>
struct Take<int64_t> {
    static constexpr Parameter parameter{Kind::integer, Entries::none};
    static int64_t from(const Argument& a) { return a.integer; }
};
template <>
struct Take<bool> {
    static constexpr Parameter parameter{Kind::flag, Entries::none};
    static bool from(const Argument& a) { return a.flag; }
};
template <>
struct Take<Activation> {
    static constexpr Parameter parameter{Kind::activation, Entries::none};
    static Activation from(const Argument& a) { return a.activation; }
};
template <>
struct Take<Window> {
    static constexpr Parameter parameter{Kind::window, Entries::none};
    static const Window& from(const Argument& a) { return a.window; }
};
template <>
struct Take<Stream> {
    static constexpr Parameter parameter{Kind::stream, Entries::none};
    static const Stream& from(const Argument& a) { return a.stream; }
};
template <class T, int axes>
struct Take<In<T, axes>> {
    static constexpr Parameter parameter{Kind::in, entries_of<T>};
    static In<T, axes> from(const Argument& a) {
        In<T, axes> in{static_cast<const T*>(a.data), {}};
        std::copy(a.shape, a.shape + axes, in.shape);
        return in;
    }
};
template <class T, int axes>
struct Take<Out<T, axes>> {
    static constexpr Parameter parameter{Kind::out, entries_of<T>};
    static Out<T, axes> from(const Argument& a) {
        Out<T, axes> out{static_cast<T*>(const_cast<void*>(a.data)), {}};
        std::copy(a.shape, a.shape + axes, out.shape);
        return out;
    }
};
template <class T>
struct Take<Matrix<T>> {
    static constexpr Parameter parameter{Kind::matrix, entries_of<T>};
    static Matrix<T> from(const Argument& a) {
        const bool batch = a.contract_axes == 3;
        const int64_t* const shape = a.shape + (batch ? 1 : 0);
        const int64_t* const stride = a.stride + (batch ? 1 : 0);
        return {static_cast<const T*>(a.data),
                batch ? a.shape[0] : 1,
                shape[0],
                shape[1],
                batch && a.shape[0] != 1 ? a.stride[0] : 0,
                stride[0],
                stride[1]};
    }
};
template <class T>
struct Take<Directions<T>> {
    static constexpr Parameter parameter{Kind::directions, entries_of<T>};
    static Directions<T> from(const Argument& a) {
        if (a.is_none || a.is_stream) {
            return {{}, a.is_none ? nullptr : &a.stream};
        }
        return {Take<Matrix<T>>::from(a), nullptr};
    }
};

template <class Signature>
struct Parameters;
template <class... P>
struct Parameters<void(P...)> {
    static constexpr size_t count = sizeof...(P);
    static std::vector<Parameter> list() { return {Take<std::remove_cvref_t<P>>::parameter...}; }
    template <class F>
    static void call(const F& f, const Argument* arguments) {
        call(f, arguments, std::index_sequence_for<P...>());
    }

 private:
    template <class F, size_t... j>
    static void call(const F& f, const Argument* arguments, std::index_sequence<j...>) {
        f(Take<std::remove_cvref_t<P>>::from(arguments[j])...);
    }
};

// A kernel's parameters, where those that differ between float and double are arrays of T.
template <template <class> class Signature>
std::vector<Parameter> parameters_of() {
    std::vector<Parameter> list = Parameters<Signature<float>>::list();
    const std::vector<Parameter> others = Parameters<Signature<double>>::list();
    for (size_t j = 0; j < list.size(); ++j) {
        list[j].entries = list[j].entries == others[j].entries ? list[j].entries : Entries::any;
    }
    return list;
}

// Reads one array: fills in `data` to `array_stride`; false for what is no array of this machine.
using ReadArray = bool (*)(pybind11::handle object, Argument& argument);

// Reads what was given for argument number j, by its kind.
void read(const Contract& contract, size_t j, pybind11::handle object, ReadArray read_array, Argument& argument);

// Reads and checks the arguments and passes them on to run.f32(...) or run.f64(...).
template <template <class> class Signature, class Run>
void call(const Contract& contract, const pybind11::tuple& given, size_t first, ReadArray read_array, const Run& run) {
    constexpr size_t count = Parameters<Signature<float>>::count;
    if (given.size() != first + count) {
        throw pybind11::type_error(contract.kernel() + ": expected " + std::to_string(first + count) +
                                   " arguments, given " + std::to_string(given.size()) + ": " + contract.signature(""));
    }
    Argument arguments[count];
    for (size_t j = 0; j < count; ++j) {
        read(contract, j, PyTuple_GET_ITEM(given.ptr(), static_cast<Py_ssize_t>(first + j)), read_array, arguments[j]);
    }
    if (contract.check(arguments) == Entries::f32) {
        Parameters<Signature<float>>::call([&](const auto&... a) { run.f32(a...); }, arguments);
    } else {
        Parameters<Signature<double>>::call([&](const auto&... a) { run.f64(a...); }, arguments);
    }
}

}  // namespace fwdad
