// The table of this instruction set's kernels.
#include "runtime/tables.hpp"

#define FWDAD_TEXT_OF(name) #name
#define FWDAD_TEXT(name) FWDAD_TEXT_OF(name)

namespace fwdad::FWDAD_ISA {

#define KERNEL(name, machines, entries, contract, ...) \
    template <class T>                                 \
    void name(__VA_ARGS__);
#include "kernels.hpp"

extern const Kernels kernels;
const Kernels kernels = {
    FWDAD_TEXT(FWDAD_ISA),
#define KERNEL(name, machines, entries, contract, ...) FWDAD_BODIES_##entries(name),
#include "kernels.hpp"
};

}  // namespace fwdad::FWDAD_ISA
