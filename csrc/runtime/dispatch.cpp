#include "dispatch.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)
// Whether the processor has features (bits of ECX of cpuid's leaf 1, of EBX of leaf 7) and the system keeps their
// registers (bits of XCR0). __builtin_cpu_supports would ask the same, but says no to everything where zig compiles it.
__attribute__((target("xsave"))) bool has(unsigned leaf1, unsigned leaf7, unsigned registers) noexcept {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & leaf1) != leaf1) {
        return false;
    }
    if (leaf7 != 0 && (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (b & leaf7) != leaf7)) {
        return false;
    }
    return registers == 0 || (_xgetbv(0) & registers) == registers;
}

constexpr unsigned ymm = 0x06;
constexpr unsigned zmm = 0xe6;
#endif

// Best last. The features are those that the levels of the x86-64 psABI add and our code can meet.
const Entry entries[] = {
#if defined(__x86_64__)
    {&v2::kernels, [] { return has(bit_SSE4_2 | bit_POPCNT, 0, 0); }},
    {&v3::kernels, [] { return has(bit_OSXSAVE | bit_FMA, bit_AVX2 | bit_BMI | bit_BMI2, ymm); }},
    {&v4::kernels,
     [] { return has(bit_OSXSAVE, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL, zmm); }},
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
