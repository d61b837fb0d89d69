// From the arguments of a Python function to the call of a kernel, once for all machines. A Machine has the types Entry
// (float or double) and Array (arrays.hpp), and a function for each kernel, of the arguments of csrc/cpu/kernels.hpp.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "arrays.hpp"

namespace fwdad {

using Object = const pybind11::object&;

template <class Machine>
void generate(const Machine& machine, const pybind11::tuple& descriptor, Object out) {
    using T = typename Machine::Entry;
    const Stream stream = stream_of(descriptor);
    machine.generate(stream, writable<T, typename Machine::Array>(out, stream.k * entries_of(stream), "out"));
}

// dw of affine_jvp and conv_jvp, an array or a stream, which is kept in `stream`.
template <class T, class Array, class Arguments>
void take_dw(Arguments& a, int64_t depth, Object dw, std::optional<Stream>& stream) {
    if (!pybind11::isinstance<pybind11::tuple>(dw)) {
        a.dw = matrix<T, Array>(dw, a.k, depth, a.n, "dw", true);
        return;
    }
    stream = stream_of(pybind11::reinterpret_borrow<pybind11::tuple>(dw));
    if (stream->k != a.k || stream->rows != depth || stream->columns != a.n || stream->entries >= 0) {
        refuse("dw", "a stream that fits the others");
    }
    a.dw_stream = &*stream;
}

template <class Machine>
void affine_jvp(const Machine& machine, Object x, Object w, Object b, Object dx, Object dw, Object db,
                const std::string& activation, Object y, Object dy, Object gram) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto x_array = array_of<T, Array>(x, "x"), w_array = array_of<T, Array>(w, "w");
    if (x_array.axes() != 2 || w_array.axes() != 2) {
        refuse("x, w", "two axes");
    }
    Affine<T> a{};
    a.m = x_array.shape(0);
    a.depth = x_array.shape(1);
    a.n = w_array.shape(1);
    a.x = matrix<T, Array>(x, 0, a.m, a.depth, "x", false);
    a.w = matrix<T, Array>(w, 0, a.depth, a.n, "w", false);
    a.b = matrix<T, Array>(b, 0, a.m, a.n, "b", false, Missing::row);
    a.activation = activation_of(activation);
    a.y = writable<T, Array>(y, a.m * a.n, "y");
    std::optional<Stream> stream;
    if (!dy.is_none()) {
        const auto tangents = array_of<T, Array>(dy, "dy");
        a.k = tangents.axes() == 3 ? tangents.shape(0) : 0;
        a.dy = writable<T, Array>(dy, a.k * a.m * a.n, "dy");
        a.dx = matrix<T, Array>(dx, a.k, a.m, a.depth, "dx", true);
        a.db = matrix<T, Array>(db, a.k, a.m, a.n, "db", true, Missing::row);
        take_dw<T, Array>(a, a.depth, dw, stream);
    }
    if (!gram.is_none()) {
        if (a.dw_stream == nullptr) {
            refuse("gram", "a stream to go with it");
        }
        a.gram = writable<double, Array>(gram, a.k * a.k, "gram");
    }
    machine.affine(a);
}

template <class Machine>
void stream_product(const Machine& machine, Object x, const pybind11::tuple& descriptor, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const Stream stream = stream_of(descriptor);
    const auto array = array_of<T, Array>(x, "x");
    if (array.axes() != 2 || stream.entries >= 0) {
        refuse("x, stream", "matrices");
    }
    Affine<T> a{};
    a.m = array.shape(0);
    a.depth = array.shape(1);
    a.n = stream.columns;
    a.k = stream.k;
    a.x = matrix<T, Array>(x, 0, a.m, stream.rows, "x", false);
    a.dw_stream = &stream;
    a.dy = writable<T, Array>(out, a.k * a.m * a.n, "out");
    machine.affine(a);
}

template <class Machine>
void matmul(const Machine& machine, Object x, Object y, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto left = array_of<T, Array>(x, "x"), right = array_of<T, Array>(y, "y");
    if (left.axes() != 3 || right.axes() != 3) {
        refuse("x, y", "three axes");
    }
    Affine<T> a{};
    a.k = left.shape(0);
    a.m = left.shape(1);
    a.depth = left.shape(2);
    a.n = right.shape(2);
    a.x = matrix<T, Array>(x, a.k, a.m, a.depth, "x", true);
    a.dw = matrix<T, Array>(y, a.k, a.depth, a.n, "y", true);
    a.dy = writable<T, Array>(out, a.k * a.m * a.n, "out");
    if (a.k == 1) {
        a.x.batch = 0;  // whatever the stride of an axis of length one
    }
    machine.affine(a);
}

using Pair = std::array<int64_t, 2>;

template <class Machine>
void conv_jvp(const Machine& machine, Object x, Object w, Object b, Object dx, Object dw, Object db,
              const std::array<Pair, 4>& window, const std::string& activation, Object y, Object dy) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto images = array_of<T, Array>(x, "x"), outputs = array_of<T, Array>(y, "y");
    if (images.axes() != 4 || outputs.axes() != 4) {
        refuse("x, y", "four axes");
    }
    Conv<T> a{};
    a.images = images.shape(0);
    a.height = images.shape(1);
    a.width = images.shape(2);
    a.channels = images.shape(3);
    a.rows = outputs.shape(1);
    a.columns = outputs.shape(2);
    a.n = outputs.shape(3);
    for (size_t j = 0; j < 2; ++j) {
        a.kernel[j] = window[0][j];
        a.stride[j] = window[1][j];
        a.padding[j] = window[2][j];
        a.dilation[j] = window[3][j];
        if (a.kernel[j] < 1 || a.stride[j] < 1 || a.padding[j] < 0 || a.dilation[j] < 1 ||
            outputs.shape(1 + j) !=
                (images.shape(1 + j) + 2 * a.padding[j] - a.dilation[j] * (a.kernel[j] - 1) - 1) / a.stride[j] + 1) {
            refuse("window", "pairs in their ranges that give y's size");
        }
    }
    const int64_t depth = a.kernel[0] * a.kernel[1] * a.channels;
    const int64_t positions = a.images * a.rows * a.columns;
    const int64_t size = size_of(images);
    a.x = contiguous<T>(images, size, "x");
    a.w = matrix<T, Array>(w, 0, depth, a.n, "w", false);
    a.b = matrix<T, Array>(b, 0, positions, a.n, "b", false, Missing::row);
    a.activation = activation_of(activation);
    a.y = writable<T, Array>(y, positions * a.n, "y");
    std::optional<Stream> stream;
    if (!dy.is_none()) {
        const auto tangents = array_of<T, Array>(dy, "dy");
        a.k = tangents.axes() == 5 ? tangents.shape(0) : 0;
        a.dy = writable<T, Array>(dy, a.k * positions * a.n, "dy");
        a.dx = dx.is_none() ? nullptr : contiguous<T, Array>(dx, a.k * size, "dx");
        a.db = matrix<T, Array>(db, a.k, positions, a.n, "db", true, Missing::row);
        take_dw<T, Array>(a, depth, dw, stream);
    }
    machine.conv(a);
}

template <class Machine>
void activation_jvp(const Machine& machine, const std::string& activation, Object x, Object dx, Object y, Object dy) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const int64_t n = size_of(array_of<T, Array>(x, "x"));
    const int64_t k = n == 0 ? 0 : size_of(array_of<T, Array>(dx, "dx")) / n;
    machine.activation_jvp(activation_of(activation), k, n, contiguous<T, Array>(x, n, "x"),
                           contiguous<T, Array>(dx, k * n, "dx"), writable<T, Array>(y, n, "y"),
                           writable<T, Array>(dy, k * n, "dy"));
}

template <class Machine>
void scaled_tangents(const Machine& machine, Object a, Object dx, Object b, Object dy, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const int64_t n = size_of(array_of<T, Array>(a, "a"));
    const int64_t k = n == 0 ? 0 : size_of(array_of<T, Array>(dx, "dx")) / n;
    const bool two = !b.is_none();
    machine.scaled_tangents(k, n, contiguous<T, Array>(a, n, "a"), contiguous<T, Array>(dx, k * n, "dx"),
                            two ? contiguous<T, Array>(b, n, "b") : nullptr,
                            two ? contiguous<T, Array>(dy, k * n, "dy") : nullptr,
                            writable<T, Array>(out, k * n, "out"));
}

template <class Machine>
void axpby(const Machine& machine, double a, Object x, double b, Object y, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const int64_t n = size_of(array_of<T, Array>(x, "x"));
    machine.axpby(n, static_cast<T>(a), contiguous<T, Array>(x, n, "x"), static_cast<T>(b),
                  contiguous<T, Array>(y, n, "y"), writable<T, Array>(out, n, "out"));
}

template <class Machine>
void weighted_rows(const Machine& machine, Object w, Object dx, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto weights = array_of<T, Array>(w, "w"), tangents = array_of<T, Array>(dx, "dx");
    if (weights.axes() != 2 || tangents.axes() != 3) {
        refuse("w, dx", "two and three axes");
    }
    const int64_t k = tangents.shape(0), rows = weights.shape(0), n = weights.shape(1);
    machine.weighted_rows(k, rows, n, contiguous<T>(weights, rows * n, "w"),
                          contiguous<T>(tangents, k * rows * n, "dx"), writable<T, Array>(out, k * rows, "out"));
}

template <class Machine>
void cross_entropy_jvp(const Machine& machine, Object z, Object labels, Object dz, Object loss, Object dloss) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto logits = array_of<T, Array>(z, "z"), tangents = array_of<T, Array>(dz, "dz");
    if (logits.axes() != 2 || tangents.axes() != 3) {
        refuse("z, dz", "two and three axes");
    }
    const int64_t k = tangents.shape(0), rows = logits.shape(0), n = logits.shape(1);
    machine.cross_entropy_jvp(k, rows, n, contiguous<T>(logits, rows * n, "z"),
                              contiguous<int64_t, Array>(labels, rows, "labels"),
                              contiguous<T>(tangents, k * rows * n, "dz"), writable<T, Array>(loss, rows, "loss"),
                              writable<T, Array>(dloss, k * rows, "dloss"));
}

template <class Machine>
void gram(const Machine& machine, Object v, bool per_row, bool exact, Object g) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    std::optional<Stream> stream;
    const auto all = directions<T, Array>(v, per_row, stream);
    machine.gram(all, per_row, exact, writable<double, Array>(g, (per_row ? all.rows : 1) * all.k * all.k, "g"));
}

template <class Machine>
void combine(const Machine& machine, Object c, Object v, Object out) {
    using T = typename Machine::Entry;
    using Array = typename Machine::Array;
    const auto factors = array_of<double, Array>(c, "c");
    const bool per_row = factors.axes() == 2;
    std::optional<Stream> stream;
    const auto all = directions<T, Array>(v, per_row, stream);
    if (all.k == 0) {
        refuse("v", "at least one direction");
    }
    machine.combine(contiguous<double>(factors, (per_row ? all.rows : 1) * all.k, "c"), all, per_row,
                    writable<T, Array>(out, all.rows * all.columns, "out"));
}

template <class Machine>
void projection_coefficients(const Machine& machine, Object gram, Object d, Object c, Object rank, Object margin) {
    using Array = typename Machine::Array;
    const auto derivatives = array_of<double, Array>(d, "d");
    if (derivatives.axes() < 1) {
        refuse("d", "at least one axis");
    }
    const int64_t k = derivatives.shape(derivatives.axes() - 1);
    const int64_t batch = size_of(array_of<int64_t, Array>(rank, "rank"));
    machine.coefficients(contiguous<double, Array>(gram, batch * k * k, "gram"),
                         contiguous<double>(derivatives, batch * k, "d"), batch, k,
                         writable<double, Array>(c, batch * k, "c"), writable<int64_t, Array>(rank, batch, "rank"),
                         writable<double, Array>(margin, batch, "margin"));
}

}  // namespace fwdad
