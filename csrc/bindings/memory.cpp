#include "memory.hpp"

#include <pybind11/stl.h>

#include <memory>
#include <vector>

#include "threads.hpp"

namespace py = pybind11;

namespace fwdad {
namespace {

struct Block {
    void* memory;
    size_t bytes;
};

// Blocks that no array uses, the oldest first.
class Kept {
 public:
    // The youngest block that is large enough and not much larger, or a fresh one.
    Block take(size_t bytes) {
        for (size_t i = blocks_.size(); i-- > 0;) {
            const Block block = blocks_[i];
            if (block.bytes >= bytes && block.bytes / 5 <= bytes / 4) {
                blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(i));
                bytes_ -= block.bytes;
                return block;
            }
        }
        return {allocate_scratch(bytes), bytes};
    }

    void give_back(Block block) {
        blocks_.push_back(block);
        bytes_ += block.bytes;
        while (bytes_ > most_bytes) {
            free_scratch(blocks_.front().memory);
            bytes_ -= blocks_.front().bytes;
            blocks_.erase(blocks_.begin());
        }
    }

 private:
    static constexpr size_t most_bytes = size_t{256} << 20;
    std::vector<Block> blocks_;
    size_t bytes_ = 0;
};

// Never destroyed: arrays may outlive whatever the end of the process destroys first.
Kept& kept() {
    static Kept* const all = new Kept;
    return *all;
}

}  // namespace

py::array empty(const py::dtype& dtype, const std::vector<py::ssize_t>& shape) {
    size_t bytes = static_cast<size_t>(dtype.itemsize());
    for (const py::ssize_t n : shape) {
        bytes *= static_cast<size_t>(n);
    }
    auto* const block = new Block(kept().take(bytes));
    const py::capsule owner(block, [](void* own) {
        const std::unique_ptr<Block> gone(static_cast<Block*>(own));
        kept().give_back(*gone);
    });
    return {dtype, shape, block->memory, owner};
}

}  // namespace fwdad
