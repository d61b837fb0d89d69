// The parameters of each kernel as a function type, signatures::axpby<float>, and the bodies that there are of it.
#pragma once

#include "arguments.hpp"

namespace fwdad::signatures {

#define KERNEL(name, machines, entries, contract, ...) \
    template <class T>                                 \
    using name = void(__VA_ARGS__);
#include "kernels.hpp"

}  // namespace fwdad::signatures

// The bodies {for float, for double} of the kernel `name`, by the column `entries`.
// NOLINTBEGIN(bugprone-macro-parentheses): the name of a template takes none
#define FWDAD_BODIES_f32(name) {name<float>, nullptr}
#define FWDAD_BODIES_f64(name) {nullptr, name<double>}
#define FWDAD_BODIES_f32_f64(name) {name<float>, name<double>}
// NOLINTEND(bugprone-macro-parentheses)
