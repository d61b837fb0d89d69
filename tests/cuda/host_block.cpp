// Fibers by ucontext, and who of them runs next.
#include <stdlib.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "cuda/shared/block.hpp"
#include "cuda/shared/device.hpp"

namespace fwdad::cuda {

Current current;

namespace {

enum class State { ready, at_barrier, at_shuffle, ended };
constexpr int max_threads = 1024;
constexpr size_t stack_bytes = 64 << 10;
constexpr size_t slot_bytes = 64;

struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    State state = State::ended;
    int exchanges = 0;
    alignas(16) unsigned char slots[2][slot_bytes];  // two, for others may still read the one of the exchange before
};

std::vector<Fiber> fibers;
ucontext_t scheduler;
const std::function<void()>* body;
Turns chosen = Turns::mixed;
std::minstd_rand random_numbers;

void fiber_main() {
    for (;;) {
        (*body)();
        Fiber& own = fibers[static_cast<size_t>(current.thread)];
        own.state = State::ended;
        swapcontext(&own.context, &scheduler);
    }
}

void make_fibers() {
    fibers.clear();
    fibers.resize(max_threads);
    for (Fiber& fiber : fibers) {
        getcontext(&fiber.context);
        fiber.stack.reset(new char[stack_bytes]);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = stack_bytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
}

void wait(State state) {
    Fiber& own = fibers[static_cast<size_t>(current.thread)];
    own.state = state;
    swapcontext(&own.context, &scheduler);
}

// Lets threads begin .. end - 1 go on if all of them wait in this state.
bool release(int begin, int end, State state) {
    const auto first = fibers.begin() + begin, last = fibers.begin() + end;
    if (!std::all_of(first, last, [&](const Fiber& f) { return f.state == state; })) {
        return false;
    }
    std::for_each(first, last, [](Fiber& f) { f.state = State::ready; });
    return true;
}

[[noreturn]] void stuck(int threads) {
    const auto count = [&](State state) {
        return std::to_string(
            std::count_if(fibers.begin(), fibers.begin() + threads, [&](const Fiber& f) { return f.state == state; }));
    };
    const std::string message = "threads of block " + std::to_string(current.block) +
                                " wait for each other: " + count(State::at_barrier) + " at a barrier, " +
                                count(State::at_shuffle) + " at a shuffle, " + count(State::ended) + " have ended";
    make_fibers();
    throw std::logic_error(message);
}

std::vector<int64_t> in_turn(int64_t n, Turns turns) {
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    if (turns == Turns::descending) {
        std::reverse(order.begin(), order.end());
    } else if (turns == Turns::random) {
        std::shuffle(order.begin(), order.end(), random_numbers);
    }
    return order;
}

void run_block(int threads) {
    const Turns turns = chosen == Turns::mixed ? static_cast<Turns>(random_numbers() % 3) : chosen;
    for (int thread = 0; thread < threads; ++thread) {
        fibers[static_cast<size_t>(thread)].state = State::ready;
    }
    const std::vector<int64_t> order = in_turn(threads, turns);
    for (;;) {
        bool moved = false;
        for (const int64_t thread : order) {
            Fiber& fiber = fibers[static_cast<size_t>(thread)];
            if (fiber.state == State::ready) {
                current.thread = static_cast<int>(thread);
                swapcontext(&scheduler, &fiber.context);
                moved = true;
            }
        }
        for (int begin = 0; begin < threads; begin += warp) {
            moved = release(begin, begin + warp, State::at_shuffle) || moved;
        }
        moved = release(0, threads, State::at_barrier) || moved;
        if (!moved) {
            if (!release(0, threads, State::ended)) {
                stuck(threads);
            }
            return;
        }
    }
}

}  // namespace

std::string built() { return "the compiler of the host for tests"; }

int device_count() { return 1; }

void wait_for_block() { wait(State::at_barrier); }

void exchange(const void* value, size_t size) {
    Fiber& own = fibers[static_cast<size_t>(current.thread)];
    if (size > slot_bytes) {
        abort();
    }
    memcpy(own.slots[own.exchanges++ % 2], value, size);
    wait(State::at_shuffle);
}

const void* given_by(int thread) {
    const int exchanges = fibers[static_cast<size_t>(current.thread)].exchanges;
    return fibers[static_cast<size_t>(thread)].slots[(exchanges - 1) % 2];
}

void set_turns(Turns turns) {
    chosen = turns;
    random_numbers.seed(1);
}

void run_grid(const Grid& grid, const std::function<void()>& kernel) {
    if (fibers.empty()) {
        make_fibers();
    }
    body = &kernel;
    for (const int64_t block : in_turn(grid.blocks, chosen == Turns::mixed ? Turns::random : chosen)) {
        current.block = block;
        for (Fiber& fiber : fibers) {
            fiber.exchanges = 0;
        }
        memset(grid.shared, 0xFF, grid.shared_bytes);
        run_block(grid.threads);
    }
}

}  // namespace fwdad::cuda
