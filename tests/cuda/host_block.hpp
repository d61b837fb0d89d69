// The machine that kernel bodies of csrc/cuda ask for, on the host: threads of a block are fibers that take turns.
//
// A fiber runs until it waits at a barrier or a shuffle; then the next one runs, in ascending, descending or random
// order. So a thread that reads what another has still to write finds the poison that shared memory is filled with
// before a block starts (NaN), and one that overwrites what another has still to read spoils its result. When nobody
// can go on, for some wait at a barrier that others never reach, that is an error.
#pragma once

#include <stdint.h>
#include <string.h>

#define FWDAD_DEVICE inline
#define FWDAD_DEVICE_AND_HOST inline
#define FWDAD_UNROLL

namespace fwdad::cuda {

// What the fiber that runs now is.
struct Current {
    int thread;
    int64_t block;
};
extern Current current;

void wait_for_block();                          // until all threads of the block wait
void exchange(const void* value, size_t size);  // until all threads of the warp exchange
const void* given_by(int thread);               // what a thread of the warp gave at the last exchange

// One of the two numbers in bfloat16 that a fragment holds side by side.
inline float of_bfloat16(uint32_t pair, int which) {
    const uint32_t bits = (which == 0 ? pair : pair >> 16) << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

class Block {
 public:
    int thread() const { return current.thread; }
    int64_t index() const { return current.block; }
    void sync() const { wait_for_block(); }
    template <class V>
    V shuffle_xor(V value, int mask) const {
        V other;
        exchange(&value, sizeof value);
        memcpy(&other, given_by(current.thread ^ mask), sizeof other);
        return other;
    }
    template <int M, int N>
    void multiply_add(const uint32_t (&left)[M][4], const uint32_t (&right)[N][2], float (&sum)[M][N][4]) const {
        struct Fragments {
            uint32_t left[M][4], right[N][2];
        } own, all[warp];
        memcpy(own.left, left, sizeof left);
        memcpy(own.right, right, sizeof right);
        const int lane = current.thread % warp;
        exchange(&own, sizeof own);
        for (int other = 0; other < warp; ++other) {
            memcpy(&all[other], given_by(current.thread - lane + other), sizeof own);
        }
        for (int i = 0; i < M; ++i) {
            for (int j = 0; j < N; ++j) {
                for (int q = 0; q < 4; ++q) {
                    const int row = lane / 4, column = 2 * (lane % 4) + q % 2;  // row + 8 for q >= 2
                    for (int d = 0; d < 16; ++d) {
                        const uint32_t a = all[row * 4 + d % 8 / 2].left[i][q / 2 + d / 8 * 2];
                        const uint32_t b = all[column * 4 + d % 8 / 2].right[j][d / 8];
                        sum[i][j][q] += of_bfloat16(a, d % 2) * of_bfloat16(b, d % 2);
                    }
                }
            }
        }
    }
};

// How threads take turns, and blocks follow each other; `mixed`: another order for every block.
enum class Turns { ascending, descending, random, mixed };
void set_turns(Turns turns);

struct Grid {
    int threads;
    int64_t blocks;
    void* shared;
    size_t shared_bytes;
};
void run_grid(const Grid& grid, const std::function<void()>& body);

template <class Kernel>
void launch(const Launch&, const Kernel& kernel, int64_t blocks,
            const std::source_location where = std::source_location::current()) {
    using Shared = typename Kernel::Shared;
    static_assert(Kernel::threads % warp == 0 && Kernel::threads <= 1024 && sizeof(Shared) <= 48 << 10);
    if (blocks > max_blocks) {
        throw Error("the arrays are too large for one launch: " + std::to_string(blocks) + " blocks", where);
    }
    alignas(16) static unsigned char shared[sizeof(Shared)];
    run_grid({Kernel::threads, blocks, shared, sizeof shared},
             [&] { kernel(Block(), *reinterpret_cast<Shared*>(shared)); });
}

}  // namespace fwdad::cuda
