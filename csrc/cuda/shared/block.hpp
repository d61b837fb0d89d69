// What a kernel body asks of the machine: its thread and block, barriers, shuffles, and how it is launched.
//
// A kernel is a struct: its fields are the arguments, `threads` is the size of a block, `Shared` what a block shares,
// and operator() the body of one thread. nvcc makes a __global__ function of it; a C++ compiler that is not nvcc takes
// Block and launch from tests/cuda/host_block.hpp, which runs the very same body on the host, one fiber a thread.
#pragma once

#include "launch.hpp"

namespace fwdad::cuda {

const int64_t max_blocks = 0x7FFFFFFF;
const int warp = 32;

}  // namespace fwdad::cuda

#ifdef __CUDACC__

#include <cuda_runtime.h>

#define FWDAD_DEVICE __device__ __forceinline__
#define FWDAD_DEVICE_AND_HOST __device__ __host__ __forceinline__
#define FWDAD_UNROLL _Pragma("unroll")

namespace fwdad::cuda {

class Block {
 public:
    FWDAD_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
    FWDAD_DEVICE int64_t index() const { return static_cast<int64_t>(blockIdx.x); }
    // No thread goes on before all threads of the block have come here.
    FWDAD_DEVICE void sync() const { __syncthreads(); }
    // The value of the thread of this warp whose number differs in the bits of `mask`; all threads of the warp call it.
    template <class V>
    FWDAD_DEVICE V shuffle_xor(V value, int mask) const {
        return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
    }
    // sum[i][j] += left[i] right[j], matrices of 16 x 16 and 16 x 8 in bfloat16 that the threads of the warp hold
    // together, in the fragments of mma.m16n8k16 (PTX ISA, section "Matrix Fragments"); all threads of the warp call
    // it.
    template <int M, int N>
    FWDAD_DEVICE void multiply_add(const uint32_t (&left)[M][4], const uint32_t (&right)[N][2],
                                   float (&sum)[M][N][4]) const {
        FWDAD_UNROLL
        for (int i = 0; i < M; ++i) {
            FWDAD_UNROLL
            for (int j = 0; j < N; ++j) {
                float (&s)[4] = sum[i][j];
                asm volatile(
                    "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                    : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3])
                    : "r"(left[i][0]), "r"(left[i][1]), "r"(left[i][2]), "r"(left[i][3]), "r"(right[j][0]),
                      "r"(right[j][1]));
            }
        }
    }
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, Kernel::resident) run(const __grid_constant__ Kernel kernel) {
    __shared__ typename Kernel::Shared shared;
    kernel(Block(), shared);
}

inline void check(cudaError_t error, const std::source_location& where) {
    if (error != cudaSuccess) {
        throw Error(std::string(cudaGetErrorString(error)) + ", " + cudaGetErrorName(error), where);
    }
}

// Queue `blocks` blocks of the kernel; returns before they have run.
template <class Kernel>
void launch(const Launch& at, const Kernel& kernel, int64_t blocks,
            const std::source_location where = std::source_location::current()) {
    if (blocks == 0) {
        return;
    }
    if (blocks > max_blocks) {
        throw Error("the arrays are too large for one launch: " + std::to_string(blocks) + " blocks", where);
    }
    check(cudaSetDevice(at.device), where);
    run<<<static_cast<unsigned>(blocks), Kernel::threads, 0, static_cast<cudaStream_t>(at.stream)>>>(kernel);
    check(cudaGetLastError(), where);
}

}  // namespace fwdad::cuda

#else
#include "host_block.hpp"
#endif
