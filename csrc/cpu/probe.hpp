// What this machine can do at most, measured: the figures that `fwdad bench` compares kernels with.
#pragma once

#include <stdint.h>

namespace fwdad::FWDAD_ISA {

// Fused multiply-adds between registers alone, `rounds` in each of `tasks` tasks; returns the number of operations (a
// multiply-add is two). `sink` (tasks) receives what keeps the compiler from leaving the work out.
int64_t probe_fma(int64_t tasks, int64_t rounds, float* sink);

// Read a (n) from one end to the other; `sink` (1) receives a sum.
void probe_read(const float* a, int64_t n, float* sink);

// Copy a (n) to b (n), by stores that do not read b first.
void probe_copy(const float* a, int64_t n, float* b);

}  // namespace fwdad::FWDAD_ISA
