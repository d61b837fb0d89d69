// A pool of threads that spin for a moment after their work and then sleep.
//
// Kernels of a training step follow each other within microseconds, too close for waking threads each time; and a
// thread that the system has taken the core from must not hold up the others. So work is claimed chunk by chunk, and
// the caller waits for chunks that were claimed, never for threads: one that comes too late finds nothing left to do.
#include "threads.hpp"

#include <pthread.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

namespace fwdad {
namespace {

// Turns of waiting before a thread gives its core away: about 80 microseconds, the Python between two kernels.
const int spins = 2000;

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Pool {
 public:
    void run(int threads, int64_t chunks, void (*body)(void*, int64_t, int), void* context) {
        const std::unique_lock<std::mutex> alone(busy_, std::try_to_lock);
        if (threads == 1 || !alone.owns_lock()) {  // where another thread of the program has the pool, use none
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                body(context, chunk, 0);
            }
            return;
        }
        start_workers(threads - 1);
        body_ = body;
        context_ = context;
        unfinished_ = chunks;
        const uint64_t round = (ticket_ >> round_shift) + 1;
        ticket_ =
            round << round_shift | static_cast<uint64_t>(threads) << threads_shift | static_cast<uint64_t>(chunks);
        if (sleepers_ > 0) {
            const std::lock_guard<std::mutex> lock(sleeping_);
            wake_.notify_all();
        }
        work(0);
        for (int turn = 0; unfinished_ != 0; ++turn) {
            turn < spins ? relax() : std::this_thread::yield();
        }
    }

 private:
    // The ticket says all that a thread must know to claim a chunk: round | threads | chunks that nobody has claimed.
    // The round makes every ticket unlike all earlier ones. Who has claimed a chunk may read body_ and context_, since
    // the round cannot end before that chunk.
    static const int round_shift = 32;
    static const int threads_shift = 21;
    static const uint64_t chunks_mask = (1 << threads_shift) - 1;
    static const uint64_t threads_mask = (1 << (round_shift - threads_shift)) - 1;
    static_assert(max_threads <= threads_mask && max_chunks <= chunks_mask);

    // Whether there was anything to do for thread t.
    bool work(int t) {
        bool worked = false;
        uint64_t ticket = ticket_;
        while ((ticket & chunks_mask) > 0 && static_cast<uint64_t>(t) < (ticket >> threads_shift & threads_mask)) {
            if (ticket_.compare_exchange_weak(ticket, ticket - 1)) {
                body_(context_, static_cast<int64_t>((ticket & chunks_mask) - 1), t);
                --unfinished_;
                worked = true;
                ticket = ticket_;
            }
        }
        return worked;
    }

    [[noreturn]] void worker(int t) {
        for (;;) {
            const uint64_t before = ticket_ >> round_shift;
            work(t);
            for (int turn = 0; turn < spins && ticket_ >> round_shift == before; ++turn) {
                relax();
            }
            if (ticket_ >> round_shift == before) {
                std::unique_lock<std::mutex> lock(sleeping_);
                ++sleepers_;
                wake_.wait(lock, [&] { return ticket_ >> round_shift != before; });
                --sleepers_;
            }
        }
    }

    void start_workers(int workers) {
        try {
            for (; workers_ < workers; ++workers_) {
                std::thread(&Pool::worker, this, workers_ + 1).detach();
            }
        } catch (const std::system_error&) {
            return;  // the system gives no more threads; those that there are do the work
        }
    }

    std::mutex busy_;  // held by the thread whose work it is
    int workers_ = 0;  // under busy_
    void (*body_)(void*, int64_t, int) = nullptr;
    void* context_ = nullptr;
    alignas(64) std::atomic<uint64_t> ticket_{0};
    alignas(64) std::atomic<int64_t> unfinished_{0};
    std::mutex sleeping_;
    std::condition_variable wake_;
    std::atomic<int> sleepers_{0};
};

// Made when first used and never destroyed, for its threads go on to the end of the process. A child process has none
// of its parent's threads and starts with a new pool.
Pool& the_pool() {
    static std::atomic<Pool*> pool{nullptr};
    static std::once_flag once;
    std::call_once(once, [] {
        pool = new Pool;
        pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });
    });
    return *pool;
}

std::atomic<int> num_threads{0};  // 0: not known yet

int default_threads() {
    const char* given = std::getenv("FWDAD_NUM_THREADS");
    if (given == nullptr) {
#ifdef __linux__
        cpu_set_t cores;
        if (sched_getaffinity(0, sizeof cores, &cores) == 0) {
            return std::min(CPU_COUNT(&cores), max_threads);
        }
#endif
        return static_cast<int>(
            std::clamp(std::thread::hardware_concurrency(), 1U, static_cast<unsigned>(max_threads)));
    }
    char* end = nullptr;
    const long n = std::strtol(given, &end, 10);
    if (end == given || *end != '\0' || n < 1 || n > max_threads) {
        throw std::invalid_argument("FWDAD_NUM_THREADS: expected a whole number from 1 to " +
                                    std::to_string(max_threads) + ", given '" + given + "'");
    }
    return static_cast<int>(n);
}

}  // namespace

void set_num_threads(int n) {
    if (n < 1 || n > max_threads) {
        throw std::invalid_argument("set_num_threads: expected 1 to " + std::to_string(max_threads) + ", given " +
                                    std::to_string(n));
    }
    num_threads = n;
}

int get_num_threads() {
    if (num_threads == 0) {
        num_threads = default_threads();
    }
    return num_threads;
}

void parallel(int threads, int64_t chunks, void (*body)(void*, int64_t, int), void* context) {
    the_pool().run(threads, chunks, body, context);
}

int64_t last_level_cache() {
    static const int64_t bytes = [] {
#ifdef __linux__
        // What the C library says may be the sum of all caches of a processor of which this machine has a part.
        int64_t kilobytes = 0;
        if (std::ifstream("/sys/devices/system/cpu/cpu0/cache/index3/size") >> kilobytes && kilobytes > 0) {
            return kilobytes << 10;
        }
#endif
#if defined(_SC_LEVEL3_CACHE_SIZE)
        const int64_t told = sysconf(_SC_LEVEL3_CACHE_SIZE);
        if (told > 0) {
            return told;
        }
#endif
        return int64_t{32} << 20;
    }();
    return bytes;
}

void* allocate_scratch(size_t bytes) {
    const size_t line = 64;
    void* memory = std::aligned_alloc(line, (bytes + line) / line * line);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}

void free_scratch(void* memory) noexcept { std::free(memory); }

}  // namespace fwdad
