// What both modules of kernels read from Python: streams, names of activations.
#pragma once

#include <pybind11/pybind11.h>

#include <stdexcept>
#include <string>

#include "kernels.hpp"

namespace fwdad {

[[noreturn]] inline void refuse(const char* name, const char* expected) {
    throw std::invalid_argument(std::string("kernels: ") + name + ": expected " + expected);
}

inline Stream stream_of(const pybind11::tuple& fields) {
    if (fields.size() != 8) {
        refuse("stream", "a tuple of eight integers");
    }
    const Stream stream{
        fields[0].cast<uint64_t>(), fields[1].cast<uint32_t>(), fields[2].cast<uint32_t>(), fields[3].cast<int64_t>(),
        fields[4].cast<int64_t>(),  fields[5].cast<int64_t>(),  fields[6].cast<int64_t>(),  fields[7].cast<int64_t>(),
    };
    const bool known = stream.rows_per_call == 4 || stream.rows_per_call == 128;
    if (!known || stream.k < 0 || stream.rows < 0 || stream.columns < 0) {
        refuse("stream", "a tuple of eight integers in their ranges");
    }
    return stream;
}

inline int64_t entries_of(const Stream& stream) {
    return stream.entries < 0 ? stream.rows * stream.columns : stream.entries;
}

inline Activation activation_of(const std::string& name) {
    static const char* const names[] = {"identity", "relu", "tanh", "sigmoid", "softplus", "silu", "gelu"};
    for (int j = 0; j < 7; ++j) {
        if (name == names[j]) {
            return static_cast<Activation>(j);
        }
    }
    refuse("activation", "a known name");
}

}  // namespace fwdad
