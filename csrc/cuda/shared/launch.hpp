// Where and when kernels run, and what is said when they cannot.
#pragma once

#include <stdint.h>

#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>

namespace fwdad::cuda {

// A device, a stream of it, and memory there that lives until what was launched has run.
struct Launch {
    int device;
    void* stream;
    std::function<void*(int64_t bytes)> scratch;
};

// Says what went wrong, and in which file and line.
class Error : public std::runtime_error {
 public:
    Error(const std::string& what, const std::source_location& where)
        : std::runtime_error("CUDA: " + what + " (" + inside_project(where.file_name()) + ":" +
                             std::to_string(where.line()) + ")") {}

 private:
    static std::string inside_project(const std::string& path) {
        const size_t start = path.rfind("csrc/");
        return start == std::string::npos ? path : path.substr(start);
    }
};

}  // namespace fwdad::cuda
