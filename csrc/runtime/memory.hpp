// Memory for large results, used again: the system clears fresh memory when it is first written, which takes longer
// than an elementwise kernel. Not for several threads at a time; the GIL is held.
#pragma once

#include <stddef.h>

namespace fwdad {

struct MemoryBlock {
    void* memory;
    size_t bytes;
};

// A block of at least so many bytes, aligned to a cache line: one that was given back, or a fresh one.
MemoryBlock take_memory(size_t bytes);

// Up to 256 MB that nobody uses stay with the process.
void give_memory_back(MemoryBlock block);

}  // namespace fwdad
