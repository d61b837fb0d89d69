// The table of an instruction set: its bodies of all kernels.
//
// The bodies of csrc/cpu are compiled once for each instruction set, in the namespace fwdad::FWDAD_ISA, from C headers
// and our own code only: an inline function of the standard library, compiled there for AVX-512, could be merged by the
// linker with the copy that the rest of the program runs on any machine. tests/kernels/check_isa.py checks the objects.
#pragma once

#include "signatures.hpp"

namespace fwdad {

// The bodies of one kernel; null for a type that it is not compiled for.
template <template <class> class Signature>
struct Bodies {
    Signature<float>* f32;
    Signature<double>* f64;
};

struct Kernels {
    const char* isa;
#define KERNEL(name, machines, entries, contract, ...) Bodies<signatures::name> name;
#include "kernels.hpp"
};

}  // namespace fwdad
