// Interrupts long work from outside, e.g. by Ctrl-C: the work calls poll(), which throws.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>

namespace fewbits {

// Thrown where another thread of the same call was interrupted.
struct Stopped {};
// Thrown under a lock, where handlers must not run: the caller outside the lock has to check, and may call again.
struct Pending {};

// While an Interrupt exists, polls of its thread call `check`, which runs handlers and may throw, a few times per
// second; under a lock they call `is_pending` instead, which only reports whether there is something to handle. Once
// either has stopped this thread, polls of all threads that parallel_for started for it throw too.
class Interrupt {
public:
    Interrupt(std::function<void()> check, std::function<bool()> is_pending);
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    static Interrupt* current();             // of this thread, or null
    static void join(Interrupt* of_caller);  // for a new thread that works for another thread
    void poll();

private:
    using Clock = std::chrono::steady_clock;

    void check();

    std::function<void()> check_;
    std::function<bool()> is_pending_;
    std::thread::id owner_ = std::this_thread::get_id();
    Clock::time_point due_;
    std::atomic<bool> stopped_ = false;
    Interrupt* outer_;
};

// Marks that the thread holds a lock that handlers might want.
class UnderLock {
public:
    UnderLock();
    UnderLock(const UnderLock&) = delete;
    UnderLock& operator=(const UnderLock&) = delete;
    ~UnderLock();
};

void poll();
// Counts `bytes` read by this thread, and polls once enough have been read since the last poll.
void poll(std::size_t bytes);

}  // namespace fewbits
