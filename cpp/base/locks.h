// The locks of the core. Python holds a lock of its own, the GIL, and a thread that waits for one of the two while
// holding the other can block every other thread. Hence three rules (docs/reliability.md, "Locks"):
//   1. Nothing waits for a lock of the core with the GIL held, except for a BriefLock.
//   2. No Python runs under a lock of the core: progress is reported before or after. A Turn is not a lock in this
//      sense: Python may run during one, and the thread that has it gets an error, not a deadlock, if it requests
//      another.
//   3. A fork leaves no lock taken in the child. The data that a lock guards is replaced by a single store, so it is
//      valid at any moment, and the child may take every lock anew.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "base/interrupt.h"

namespace fewbits {

// The number of forks between the first process and this one.
std::uint64_t fork_count();

// Held for a few instructions, during which nothing waits, allocates or frees. A fork waits until it is free. A thread
// must not hold two.
class BriefLock {
public:
    explicit BriefLock(const void* of);

private:
    std::lock_guard<std::mutex> lock_;
};

// A mutex that may be held for long. In a forked child it is free, even if another thread of the parent held it.
class ForkMutex {
public:
    ForkMutex() = default;
    ~ForkMutex() { delete mutex_; }
    ForkMutex(const ForkMutex&) = delete;
    ForkMutex& operator=(const ForkMutex&) = delete;
    std::unique_lock<std::mutex> lock();

private:
    std::mutex* mutex_ = nullptr;
    std::uint64_t forks_ = 0;
};

// A value that is made on first use. `get` makes it under a lock, so that it is made once; `offer` takes one that was
// made without the lock, as is necessary if making it reports progress.
template <class T>
class Lazy {
public:
    Lazy() = default;
    ~Lazy() { delete value_.load(std::memory_order_relaxed); }
    Lazy(const Lazy&) = delete;
    Lazy& operator=(const Lazy&) = delete;

    const T* made() const { return value_.load(std::memory_order_acquire); }

    template <class Make>
    const T& get(const Make& make) {
        if (const T* value = made()) return *value;
        const auto lock = mutex_.lock();
        const UnderLock held;
        if (const T* value = made()) return *value;
        return offer(std::make_unique<const T>(make()));
    }

    const T& offer(std::unique_ptr<const T> value) {
        const T* expected = nullptr;
        if (!value_.compare_exchange_strong(expected, value.get(), std::memory_order_acq_rel)) return *expected;
        return *value.release();
    }

private:
    std::atomic<const T*> value_ = nullptr;
    ForkMutex mutex_;
};

// Turns for changing something: one at a time, each as long as the change takes. A turn ends when its object is
// destroyed, in any thread; in a forked child nobody has a turn.
class Turns {
    struct Line {
        std::mutex mutex;
        std::condition_variable free;
        bool taken = false;
        std::thread::id owner;
        std::uint64_t forks = fork_count();
    };

public:
    class Turn {
    public:
        Turn() = default;
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() { end(); }
        void end() noexcept;

    private:
        friend class Turns;
        std::shared_ptr<Line> line_;  // null once the turn has ended
    };

    bool is_mine() const;  // whether the calling thread has the turn
    // Takes the turn; null if others had it for all of `seconds`.
    std::unique_ptr<Turn> take(double seconds);

private:
    std::shared_ptr<Line> line() const;

    mutable std::shared_ptr<Line> line_ = std::make_shared<Line>();
};

}  // namespace fewbits
