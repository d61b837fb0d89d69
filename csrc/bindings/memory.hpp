// Memory for large results, used again.
//
// The system clears fresh memory page by page when it is first written, and that takes longer than an elementwise
// kernel. So the memory of an array that is gone is kept for the next one of about its size.
#pragma once

#include <pybind11/numpy.h>

#include <vector>

namespace fwdad {

// An array of unspecified entries, C-contiguous, aligned to a cache line. To be called, and its arrays destroyed, under
// the GIL, which is the lock of what is kept.
pybind11::array empty(const pybind11::dtype& dtype, const std::vector<pybind11::ssize_t>& shape);

}  // namespace fwdad
