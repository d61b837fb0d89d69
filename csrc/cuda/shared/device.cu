// What this was compiled for, and the devices that there are.
#include "block.hpp"
#include "device.hpp"

namespace fwdad::cuda {

std::string built() {
    std::string text =
        "nvcc " + std::to_string(__CUDACC_VER_MAJOR__) + "." + std::to_string(__CUDACC_VER_MINOR__) + " for";
    for (const int architecture : {__CUDA_ARCH_LIST__}) {
        text += " sm_" + std::to_string(architecture / 10);
    }
    return text + " and PTX";
}

int device_count() {
    int count = 0;
    check(cudaGetDeviceCount(&count), std::source_location::current());
    return count;
}

}  // namespace fwdad::cuda
