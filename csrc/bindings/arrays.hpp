// The checks of arrays that keep a wrong call from touching memory that is not its own; python/fwdad/kernels has
// validated them before, with better messages. An Array is what a module says of an array of its machine:
//
//     Array(object, name)        refuses what is none
//     holds<T>()                 whether its entries are T
//     data(), writable()
//     axes(), shape(axis), stride(axis)     strides in bytes
#pragma once

#include <pybind11/pybind11.h>

#include <concepts>
#include <optional>

#include "arguments.hpp"

namespace fwdad {

template <class T>
constexpr const char* name_of =
    std::integral<T> ? "an array of int64" : (sizeof(T) == 4 ? "an array of float32" : "an array of float64");

template <class T, class Array>
Array array_of(const pybind11::object& object, const char* name) {
    Array array(object, name);
    if (!array.template holds<T>()) {
        refuse(name, name_of<T>);
    }
    if (reinterpret_cast<uintptr_t>(array.data()) % alignof(T) != 0) {
        refuse(name, "an aligned array");
    }
    return array;
}

template <class Array>
int64_t size_of(const Array& array) {
    int64_t n = 1;
    for (size_t axis = 0; axis < array.axes(); ++axis) {
        n *= array.shape(axis);
    }
    return n;
}

// The entries of a C-contiguous array of n of them, to read from or to write to.
template <class T, class Array>
const T* contiguous(const Array& array, int64_t n, const char* name) {
    if (size_of(array) != n) {
        refuse(name, "an array that fits the others");
    }
    int64_t expected = sizeof(T);
    for (size_t axis = array.axes(); n != 0 && axis-- > 0;) {
        if (array.shape(axis) > 1 && array.stride(axis) != expected) {
            refuse(name, "a C-contiguous array");
        }
        expected *= array.shape(axis);
    }
    return static_cast<const T*>(array.data());
}

template <class T, class Array>
const T* contiguous(const pybind11::object& object, int64_t n, const char* name) {
    return contiguous<T>(array_of<T, Array>(object, name), n, name);
}

template <class T, class Array>
T* writable(const pybind11::object& object, int64_t n, const char* name) {
    const auto array = array_of<T, Array>(object, name);
    if (!array.writable()) {
        refuse(name, "a writable array");
    }
    return const_cast<T*>(contiguous<T>(array, n, name));
}

// Any array of the shape (batch, rows, columns), (rows, columns) or, if a row is the same for all, less one axis; None
// is a structural zero.
enum class Missing { none, row };

template <class T, class Array>
Matrix<T> matrix(const pybind11::object& object, int64_t batch, int64_t rows, int64_t columns, const char* name,
                 bool batched, Missing may_miss = Missing::none) {
    if (object.is_none()) {
        return {nullptr, 0, 0, 0};
    }
    const auto array = array_of<T, Array>(object, name);
    const size_t all = array.axes(), axes = all - (batched && all > 0 ? 1 : 0);
    const bool whole = axes == 2;
    if (!(whole || (axes == 1 && may_miss == Missing::row)) || (batched && array.shape(0) != batch) ||
        (whole && array.shape(all - 2) != rows) || array.shape(all - 1) != columns) {
        refuse(name, "a shape that fits the others");
    }
    const auto stride = [&](size_t axis) {
        if (array.stride(axis) % static_cast<int64_t>(sizeof(T)) != 0) {
            refuse(name, "an aligned array");
        }
        return array.stride(axis) / static_cast<int64_t>(sizeof(T));
    };
    return {static_cast<const T*>(array.data()), batched ? stride(0) : 0, whole ? stride(all - 2) : 0, stride(all - 1)};
}

// The directions of gram and combine: an array (k, ...) as (k, 1, entries) or, per row, (k, rows, columns); or a
// stream, which is kept in `stream`.
template <class T, class Array>
Directions<T> directions(const pybind11::object& v, bool per_row, std::optional<Stream>& stream) {
    if (pybind11::isinstance<pybind11::tuple>(v)) {
        stream = stream_of(pybind11::reinterpret_borrow<pybind11::tuple>(v));
        const bool vector = stream->entries >= 0;
        return {nullptr, &*stream, stream->k, vector ? 1 : stream->rows, vector ? stream->entries : stream->columns};
    }
    const auto array = array_of<T, Array>(v, "v");
    if (array.axes() < 1 || (per_row && array.axes() != 3)) {
        refuse("v", "shape (k, ...), or (k, B, n) per row");
    }
    const int64_t n = size_of(array), k = array.shape(0);
    const T* data = contiguous<T>(array, n, "v");
    if (per_row) {
        return {data, nullptr, k, array.shape(1), array.shape(2)};
    }
    return {data, nullptr, k, 1, k == 0 ? 0 : n / k};
}

}  // namespace fwdad
