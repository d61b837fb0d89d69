// The contract of a kernel, read from the text in kernels.hpp, and the check of a call against it: no None where an
// array is needed, no wrong dtype, no shape that does not fit, no output that is read-only or not C-contiguous, no
// number of entries that overflows. A call that passes touches no memory that is not its own; python/fwdad/kernels has
// checked it before, with better messages.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "arguments.hpp"

namespace fwdad {

// What a parameter of a kernel takes, by its C++ type (call.hpp).
enum class Kind { number, integer, flag, activation, window, /* arrays: */ stream, in, out, matrix, directions };

// The type of an array's entries; `any` is the T of the kernel, float or double, as the call's arrays have it.
enum class Entries : char { none, any, f32, f64, i64 };

struct Parameter {
    Kind kind;
    Entries entries;  // none: no array
};

constexpr int most_array_axes = 64;    // as in NumPy
constexpr int most_contract_axes = 6;  // of one argument
constexpr int most_sizes = 12;         // of one contract

// An argument of a call. The binding fills in what was given, and the check adds the shape and strides in the
// contract's axes.
struct Argument {
    bool is_none;
    bool is_stream;
    double number;
    int64_t integer;
    bool flag;
    Activation activation;
    Window window;
    Stream stream;
    // The array, or the stream as an array. Strides are in bytes.
    const void* data;
    bool writable;
    Entries entries;
    int axes;
    int64_t array_shape[most_array_axes];
    int64_t array_stride[most_array_axes];
    // In the contract's axes; strides are in entries, and 0 along an axis that was left out, whose shape is -1.
    int contract_axes;
    int64_t shape[most_contract_axes];
    int64_t stride[most_contract_axes];
};

class Contract {
 public:
    // `text` and `entries` as in kernels.hpp.
    Contract(std::string kernel, const std::string& text, const std::string& entries,
             std::vector<Parameter> parameters);

    // Throws pybind11::type_error or std::invalid_argument where a call breaks the contract. Returns the entries of the
    // call's arrays, f32 or f64.
    Entries check(Argument* arguments) const;

    // The function as Python sees it: "axpby(a: float, x: Array, ..., /) -> None". `first`: more parameters before.
    std::string signature(const std::string& first) const;

    const std::string& kernel() const { return kernel_; }
    const std::string& name(size_t argument) const { return rows_[argument].name; }
    Parameter parameter(size_t argument) const { return parameters_[argument]; }
    [[noreturn]] void refuse(const std::string& name, const std::string& what) const;       // ValueError
    [[noreturn]] void refuse_type(const std::string& name, const std::string& what) const;  // TypeError

 private:
    struct Axis {
        std::vector<int> factors;  // numbers of sizes; the axis is their product
        int64_t constant;          // instead of factors; otherwise -1
        bool may_be_left_out;
        bool is_spread;  // any number of axes
    };
    struct Row {
        std::string name, axes_text;
        bool may_be_none;
        std::vector<Axis> axes;
        int left_out, spread;  // which axis is of that kind, or -1
    };
    using Sizes = std::array<int64_t, most_sizes>;  // -1: not known yet

    Row parse_row(const std::string& text);
    Axis parse_axis(std::string text);
    bool takes_array(size_t number) const { return parameters_[number].kind >= Kind::stream; }
    Entries common_entries(const Argument* arguments) const;
    bool has_left_out(const Row& row, const Argument& argument, const Sizes& sizes) const;
    void match(size_t number, Argument& argument, Sizes& sizes, bool products) const;
    void match_window(size_t number, const Argument& argument, Sizes& sizes, bool products) const;
    void check_memory(size_t number, const Argument& argument) const;
    [[noreturn]] void refuse_shape(size_t number, const Argument& argument, const Sizes& sizes) const;

    std::string kernel_;
    std::vector<std::string> size_names_;
    std::vector<Row> rows_;
    std::vector<Parameter> parameters_;
    bool f32_, f64_;
};

}  // namespace fwdad
