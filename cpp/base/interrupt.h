// How long work is stopped from outside, as by Ctrl-C: it polls, and the poll throws.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <thread>

namespace fewbits {

// Thrown where another thread of the same call was stopped.
struct Stopped {};
// Thrown under a lock, where handlers may not run: whoever called without one is to check, and may call again.
struct Pending {};

// While it lives, polls of this thread call `check` a few times a second, which runs handlers and may throw; under a
// lock they ask `is_pending`, which only says whether there is something to handle. Once either has stopped this
// thread, polls of all threads that parallel_for started for it throw too.
class Interrupt {
public:
    Interrupt(std::function<void()> check, std::function<bool()> is_pending);
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    static Interrupt* current();             // of this thread, or null
    static void join(Interrupt* of_caller);  // for a new thread that works for another
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

// What a thread does under a lock that handlers might want.
class UnderLock {
public:
    UnderLock();
    UnderLock(const UnderLock&) = delete;
    UnderLock& operator=(const UnderLock&) = delete;
    ~UnderLock();
};

void poll();
// The same, once enough work was done since the last: `bytes` were read by this thread.
void poll(std::size_t bytes);

}  // namespace fewbits
