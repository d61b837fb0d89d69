// The table of this instruction set's kernels.
#include "affine.hpp"
#include "conv.hpp"
#include "elementwise.hpp"
#include "generate.hpp"
#include "kernels.hpp"
#include "probe.hpp"
#include "projection.hpp"

#define FWDAD_TEXT_OF(name) #name
#define FWDAD_TEXT(name) FWDAD_TEXT_OF(name)

namespace fwdad::FWDAD_ISA {

extern const Kernels kernels;
const Kernels kernels = {
    FWDAD_TEXT(FWDAD_ISA),
    {generate<float>, affine<float>, conv<float>, gram<float>, combine<float>, activation_jvp<float>,
     scaled_tangents<float>, axpby<float>, weighted_rows<float>, cross_entropy_jvp<float>},
    {generate<double>, affine<double>, conv<double>, gram<double>, combine<double>, activation_jvp<double>,
     scaled_tangents<double>, axpby<double>, weighted_rows<double>, cross_entropy_jvp<double>},
    coefficients,
    probe_fma,
    probe_read,
    probe_copy,
};

}  // namespace fwdad::FWDAD_ISA
