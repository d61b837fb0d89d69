#include "contract.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace fwdad {
namespace {

// No array that fits into memory has more entries, and what kernels make of them (padded to tiles of 8 x 48, of 8
// bytes, for 1024 threads) stays below 2^63.
constexpr int64_t most_entries = int64_t{1} << 46;
constexpr int64_t most_window = int64_t{1} << 31;

// a * b; -1 beyond `most_entries`, or where a factor is below 0.
int64_t checked_product(int64_t a, int64_t b) {
    int64_t product = 0;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) || product > most_entries ? -1 : product;
}

int64_t bytes_of(Entries entries) { return entries == Entries::f32 ? 4 : 8; }

const char* name_of(Entries entries) {
    switch (entries) {
        case Entries::f32:
            return "float32";
        case Entries::f64:
            return "float64";
        case Entries::i64:
            return "int64";
        default:
            return "another dtype";
    }
}

std::string text_of(const int64_t* shape, int axes) {
    std::string text = "(";
    for (int axis = 0; axis < axes; ++axis) {
        text += axis == 0 ? "" : ", ";
        text += std::to_string(shape[axis]);
    }
    return text + (axes == 1 ? ",)" : ")");
}

}  // namespace

Contract::Contract(std::string kernel, const std::string& text, const std::string& entries,
                   std::vector<Parameter> parameters)
    : kernel_(std::move(kernel)),
      parameters_(std::move(parameters)),
      f32_(entries.find("f32") != std::string::npos),
      f64_(entries.find("f64") != std::string::npos) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (word != "->") {
            rows_.push_back(parse_row(word));
        }
    }
    bool fits = rows_.size() == parameters_.size() && size_names_.size() <= most_sizes;
    for (size_t j = 0; fits && j < rows_.size(); ++j) {
        fits = rows_[j].axes.size() <= most_contract_axes &&
               rows_[j].axes.empty() == (parameters_[j].kind <= Kind::activation);
    }
    if (!fits) {
        throw std::logic_error(kernel_ + ": the contract and the parameters in csrc/kernels.hpp differ");
    }
}

Contract::Row Contract::parse_row(const std::string& text) {
    const size_t colon = std::min(text.find(':'), text.size());
    Row row{text.substr(0, colon), "", false, {}, -1, -1};
    if (row.name.back() == '?') {
        row.name.pop_back();
        row.may_be_none = true;
    }
    if (colon == text.size()) {
        return row;
    }
    row.axes_text = text.substr(colon + 1);
    std::istringstream axes(row.axes_text.substr(1, row.axes_text.size() - 2));
    for (std::string axis; std::getline(axes, axis, ',');) {
        const int number = static_cast<int>(row.axes.size());
        row.axes.push_back(parse_axis(axis));
        row.left_out = row.axes.back().may_be_left_out ? number : row.left_out;
        row.spread = row.axes.back().is_spread ? number : row.spread;
    }
    return row;
}

Contract::Axis Contract::parse_axis(std::string text) {
    Axis axis{{}, -1, false, false};
    if (text.front() == '[') {
        axis.may_be_left_out = true;
        text = text.substr(1, text.size() - 2);
    }
    if (text.ends_with("...")) {
        axis.is_spread = true;
        text.resize(text.size() - 3);
    }
    if (text == "1") {
        axis.constant = 1;
        return axis;
    }
    std::istringstream factors(text);
    for (std::string name; std::getline(factors, name, '*');) {
        const auto found = std::find(size_names_.begin(), size_names_.end(), name);
        axis.factors.push_back(static_cast<int>(found - size_names_.begin()));
        if (found == size_names_.end()) {
            size_names_.push_back(name);
        }
    }
    return axis;
}

std::string Contract::signature(const std::string& first) const {
    std::string text = kernel_ + "(" + first;
    for (size_t j = 0; j < rows_.size(); ++j) {
        static const char* const types[] = {"float",      "int",   "bool",  "str",   "Window",
                                            "Descriptor", "Array", "Array", "Array", "Array | Descriptor"};
        text += (text.back() == '(' ? "" : ", ") + rows_[j].name + ": " + types[static_cast<int>(parameters_[j].kind)] +
                (rows_[j].may_be_none ? " | None" : "");
    }
    return text + ", /) -> None";
}

void Contract::refuse(const std::string& name, const std::string& what) const {
    throw std::invalid_argument(kernel_ + ": " + name + ": " + what);
}

void Contract::refuse_type(const std::string& name, const std::string& what) const {
    throw pybind11::type_error(kernel_ + ": " + name + ": " + what);
}

void Contract::refuse_shape(size_t number, const Argument& argument, const Sizes& sizes) const {
    const Row& row = rows_[number];
    std::string known;
    for (const Axis& axis : row.axes) {
        for (const int size : axis.factors) {
            const std::string text =
                size_names_[static_cast<size_t>(size)] + " = " + std::to_string(sizes[static_cast<size_t>(size)]);
            if (sizes[static_cast<size_t>(size)] >= 0 && known.find(text) == std::string::npos) {
                known += (known.empty() ? " with " : ", ") + text;
            }
        }
    }
    refuse(row.name,
           "expected the shape " + row.axes_text + known + ", given " + text_of(argument.array_shape, argument.axes));
}

Entries Contract::check(Argument* arguments) const {
    const Entries entries = common_entries(arguments);
    for (size_t j = 0; j < rows_.size(); ++j) {
        int64_t product = 1;  // of an empty array too: the other axes
        for (int axis = 0; takes_array(j) && !arguments[j].is_none && axis < arguments[j].axes; ++axis) {
            product = checked_product(product, std::max<int64_t>(1, arguments[j].array_shape[axis]));
        }
        if (product < 0) {
            refuse(rows_[j].name, "expected at most 2^46 entries");
        }
    }
    Sizes sizes;
    sizes.fill(-1);
    // First the arguments whose own number of axes says what each axis is; then all, with products and spread axes.
    for (const bool products : {false, true}) {
        for (size_t j = 0; j < rows_.size(); ++j) {
            if (parameters_[j].kind == Kind::window) {
                match_window(j, arguments[j], sizes, products);
            } else if (takes_array(j) && !arguments[j].is_none && (products || rows_[j].spread < 0)) {
                match(j, arguments[j], sizes, products);
            }
        }
    }
    for (size_t j = 0; j < rows_.size(); ++j) {
        if (takes_array(j) && !arguments[j].is_none && !arguments[j].is_stream) {
            check_memory(j, arguments[j]);
        }
    }
    return entries;
}

Entries Contract::common_entries(const Argument* arguments) const {
    Entries common = Entries::none;
    for (size_t j = 0; j < rows_.size(); ++j) {
        const Argument& argument = arguments[j];
        const Entries expected = parameters_[j].entries;
        if (!takes_array(j)) {
            continue;
        }
        if (argument.is_none) {
            if (!rows_[j].may_be_none) {
                refuse_type(rows_[j].name, "expected an array, given None");
            }
            continue;
        }
        if (expected == Entries::f64 || expected == Entries::i64) {
            if (argument.entries != expected) {
                refuse_type(rows_[j].name,
                            std::string("expected ") + name_of(expected) + ", given " + name_of(argument.entries));
            }
            continue;
        }
        const bool known = (argument.entries == Entries::f32 && f32_) || (argument.entries == Entries::f64 && f64_);
        if (!known || (common != Entries::none && argument.entries != common)) {
            std::string choice = f32_ && f64_ ? "float32 or float64" : (f32_ ? "float32" : "float64");
            if (common != Entries::none) {
                choice = std::string(name_of(common)) + " as the arguments before it";
            }
            refuse_type(rows_[j].name, "expected " + choice + ", given " + name_of(argument.entries));
        }
        common = argument.entries;
    }
    return common;
}

bool Contract::has_left_out(const Row& row, const Argument& argument, const Sizes& sizes) const {
    if (row.left_out < 0) {
        return false;
    }
    if (row.spread < 0) {
        return argument.axes == static_cast<int>(row.axes.size()) - 1;
    }
    const int size = row.axes[static_cast<size_t>(row.left_out)].factors[0];
    return sizes[static_cast<size_t>(size)] < 0;
}

void Contract::match(size_t number, Argument& argument, Sizes& sizes, bool products) const {
    const Row& row = rows_[number];
    argument.contract_axes = static_cast<int>(row.axes.size());
    const bool left_out = has_left_out(row, argument, sizes);
    const int plain = static_cast<int>(row.axes.size()) - (left_out ? 1 : 0) - (row.spread < 0 ? 0 : 1);
    const bool vector_by_rows = argument.is_stream && argument.stream.entries >= 0 && row.left_out >= 0 && !left_out;
    if (argument.axes < plain || (row.spread < 0 && argument.axes > plain) || vector_by_rows) {
        refuse_shape(number, argument, sizes);
    }
    int from = 0;  // an axis of the array
    for (size_t a = 0; a < row.axes.size(); ++a) {
        const Axis& axis = row.axes[a];
        if (left_out && static_cast<int>(a) == row.left_out) {
            argument.shape[a] = -1;
            argument.stride[a] = 0;
            continue;
        }
        argument.stride[a] = axis.is_spread ? 1 : argument.array_stride[from] / bytes_of(argument.entries);
        int64_t length = 1;
        for (const int to = from + (axis.is_spread ? argument.axes - plain : 1); from < to; ++from) {
            length *= argument.array_shape[from];
        }
        argument.shape[a] = length;
        if (axis.factors.size() == 1) {
            int64_t& size = sizes[static_cast<size_t>(axis.factors[0])];
            size = size < 0 ? length : size;
            if (size != length) {
                refuse_shape(number, argument, sizes);
            }
        } else if (products || axis.constant >= 0) {
            int64_t expected = axis.constant < 0 ? 1 : axis.constant;
            for (const int factor : axis.factors) {
                expected = checked_product(expected, sizes[static_cast<size_t>(factor)]);
            }
            if (length != expected) {
                refuse_shape(number, argument, sizes);
            }
        }
    }
}

void Contract::match_window(size_t number, const Argument& argument, Sizes& sizes, bool products) const {
    const Window& window = argument.window;
    if (checked_product(window.kernel[0], window.kernel[1]) > most_window) {
        refuse(rows_[number].name, "expected at most 2^31 taps");
    }
    const auto size = [&](size_t axis) -> int64_t& {
        return sizes[static_cast<size_t>(rows_[number].axes[axis].factors[0])];
    };
    for (size_t j = 0; j < 2; ++j) {  // kernel; image; result
        const auto in_range = [](int64_t value, int64_t low) { return value >= low && value <= most_window; };
        if (!in_range(window.kernel[j], 1) || !in_range(window.stride[j], 1) || !in_range(window.padding[j], 0) ||
            !in_range(window.dilation[j], 1)) {
            refuse(rows_[number].name, "expected pairs (kernel, stride, padding, dilation) in their ranges");
        }
        size(j) = window.kernel[j];
        const int64_t room = size(2 + j) + 2 * window.padding[j] - window.dilation[j] * (window.kernel[j] - 1) - 1;
        if (products && (room < 0 || size(4 + j) != room / window.stride[j] + 1)) {
            refuse(rows_[number].name, "expected a window that leads from " + std::to_string(size(2 + j)) + " to " +
                                           std::to_string(size(4 + j)) + " along axis " + std::to_string(j));
        }
    }
}

void Contract::check_memory(size_t number, const Argument& argument) const {
    const std::string& name = rows_[number].name;
    const Kind kind = parameters_[number].kind;
    const int64_t bytes = bytes_of(argument.entries);
    if (kind == Kind::out && !argument.writable) {
        refuse(name, "expected a writable array");
    }
    const bool contiguous = kind == Kind::in || kind == Kind::out || rows_[number].spread >= 0;
    const bool empty = std::find(argument.array_shape, argument.array_shape + argument.axes, 0) !=
                       argument.array_shape + argument.axes;
    bool aligned = reinterpret_cast<uintptr_t>(argument.data) % static_cast<uintptr_t>(bytes) == 0;
    int64_t expected = bytes;
    for (int axis = argument.axes; !empty && axis-- > 0;) {
        const int64_t length = argument.array_shape[axis];
        const int64_t stride = argument.array_stride[axis];
        aligned = aligned && (length == 1 || stride % bytes == 0);
        if (contiguous && length > 1 && stride != expected) {
            refuse(name, "expected a C-contiguous array");
        }
        expected *= length;
    }
    if (!aligned) {
        refuse(name, "expected an aligned array");
    }
}

}  // namespace fwdad
