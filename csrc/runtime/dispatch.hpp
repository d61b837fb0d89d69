// Which of the compiled instruction sets runs.
#pragma once

#include <string>
#include <vector>

#include "tables.hpp"

namespace fwdad {

// The table in use: at first, the best one that this machine can run.
const Kernels& kernels();

// Use the instruction set of this name, or the best for "". Throws std::invalid_argument if it was not built, or this
// machine cannot run it.
void select_isa(const std::string& name);

// The instruction sets that were built, the best last.
std::vector<std::string> built_isas();

}  // namespace fwdad
