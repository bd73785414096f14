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

// While it lives, polls of this thread call `check` a few times a second; once that throws, polls of all threads that
// parallel_for started for this one throw too.
class Interrupt {
public:
    explicit Interrupt(std::function<void()> check);
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    ~Interrupt();

    static Interrupt* current();             // of this thread, or null
    static void join(Interrupt* of_caller);  // for a new thread that works for another
    void poll();

private:
    using Clock = std::chrono::steady_clock;

    std::function<void()> check_;
    std::thread::id owner_ = std::this_thread::get_id();
    Clock::time_point due_;
    std::atomic<bool> stopped_ = false;
    Interrupt* outer_;
};

void poll();
// The same, once enough work was done since the last: `bytes` were read by this thread.
void poll(std::size_t bytes);

}  // namespace fewbits
