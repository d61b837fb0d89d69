#include "dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace fwdad {

#if defined(__x86_64__)
namespace v2 {
extern const Kernels kernels;
}
namespace v3 {
extern const Kernels kernels;
}
namespace v4 {
extern const Kernels kernels;
}
#else
namespace portable {
extern const Kernels kernels;
}
#endif

namespace {

struct Entry {
    const Kernels* kernels;
    bool (*runs_here)();
};

// Best last. The features are those that the levels of the x86-64 psABI add and our code can meet.
const Entry entries[] = {
#if defined(__x86_64__)
    {&v2::kernels, [] { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }},
    {&v3::kernels,
     [] {
         return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
     }},
    {&v4::kernels,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl");
     }},
#else
    {&portable::kernels, [] { return true; }},
#endif
};

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const Kernels& kernels() {
    if (chosen == nullptr) {
        const char* given = std::getenv("FWDAD_ISA");
        try {
            select_isa(given == nullptr ? "" : given);
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(std::string("FWDAD_ISA: ") + error.what());
        }
    }
    return *chosen;
}

void select_isa(const std::string& name) {
    const Kernels* best = nullptr;
    std::string usable;
    for (const Entry& entry : entries) {
        if (entry.runs_here()) {
            usable += std::string(usable.empty() ? "" : ", ") + entry.kernels->isa;
            if (name.empty() || name == entry.kernels->isa) {
                best = entry.kernels;
            }
        }
    }
    if (best == nullptr) {
        throw std::invalid_argument("expected an instruction set that was built and that this machine runs (" + usable +
                                    "), given '" + name + "'");
    }
    chosen = best;
}

std::vector<std::string> built_isas() {
    std::vector<std::string> names;
    for (const Entry& entry : entries) {
        names.emplace_back(entry.kernels->isa);
    }
    return names;
}

}  // namespace fwdad
