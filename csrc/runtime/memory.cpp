#include "memory.hpp"

#include <vector>

#include "threads.hpp"

namespace fwdad {
namespace {

constexpr size_t most_unused_bytes = size_t{256} << 20;

// Blocks that no array uses, the oldest first.
struct Unused {
    std::vector<MemoryBlock> blocks;
    size_t bytes = 0;

    MemoryBlock remove(size_t i) {
        const MemoryBlock block = blocks[i];
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(i));
        bytes -= block.bytes;
        return block;
    }
};

// Never destroyed: arrays may outlive whatever the end of the process destroys first.
Unused& unused() {
    static Unused* const all = new Unused;
    return *all;
}

}  // namespace

MemoryBlock take_memory(size_t bytes) {
    // The youngest block that is large enough and at most a quarter larger.
    for (size_t i = unused().blocks.size(); i-- > 0;) {
        const size_t own = unused().blocks[i].bytes;
        if (own >= bytes && own / 5 <= bytes / 4) {
            return unused().remove(i);
        }
    }
    return {allocate_scratch(bytes), bytes};
}

void give_memory_back(MemoryBlock block) {
    unused().blocks.push_back(block);
    unused().bytes += block.bytes;
    while (unused().bytes > most_unused_bytes) {
        free_scratch(unused().remove(0).memory);
    }
}

}  // namespace fwdad
