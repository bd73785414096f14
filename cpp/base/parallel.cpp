#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "base/interrupt.h"

namespace fewbits {
namespace {

// State shared by the workers of one call.
class Crew {
public:
    Crew(std::size_t n, const std::function<void(std::size_t, unsigned)>& body) : n_(n), body_(body) {}

    void work(unsigned worker) {
        for (std::size_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < n_;)
            attempt([&] {
                poll();
                body_(task, worker);
            });
    }

    void leave() {
        const std::lock_guard lock(mutex_);
        ++left_;
        changed_.notify_one();
    }

    // Waits until `helpers` workers have left; meanwhile the caller polls, so it can be interrupted.
    void wait_for(std::size_t helpers) {
        for (std::unique_lock lock(mutex_); left_ < helpers;) {
            changed_.wait_for(lock, std::chrono::milliseconds(50));
            lock.unlock();
            attempt([] { poll(); });
            lock.lock();
        }
    }

    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
        if (stopped_) throw Stopped{};
    }

private:
    template <class Step>
    void attempt(const Step& step) {
        try {
            step();
        } catch (const Stopped&) {
            next_.store(n_, std::memory_order_relaxed);
            stopped_ = true;
        } catch (...) {
            next_.store(n_, std::memory_order_relaxed);
            const std::lock_guard lock(mutex_);
            if (!error_) error_ = std::current_exception();
        }
    }

    const std::size_t n_;
    const std::function<void(std::size_t, unsigned)>& body_;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<bool> stopped_ = false;  // by an error of another thread
    std::exception_ptr error_;
    std::size_t left_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace

unsigned resolve_threads(unsigned requested) {
    if (requested > 0) return requested;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

void parallel_for(std::size_t n, unsigned threads, const std::function<void(std::size_t, unsigned)>& body) {
    const auto workers = static_cast<unsigned>(std::min<std::size_t>(resolve_threads(threads), n));
    if (workers <= 1) {
        for (std::size_t task = 0; task < n; ++task) {
            poll();
            body(task, 0);
        }
        return;
    }
    Crew crew(n, body);
    const auto help = [&crew, interrupt = Interrupt::current()](unsigned worker) {
        Interrupt::join(interrupt);
        crew.work(worker);
        crew.leave();
    };
    std::vector<std::jthread> started;
    started.reserve(workers - 1);
    try {
        for (unsigned worker = 1; worker < workers; ++worker) started.emplace_back(help, worker);
    } catch (const std::system_error&) {
        // No more threads are available: the existing ones do all tasks.
    }
    crew.work(0);
    if (Interrupt::current()) crew.wait_for(started.size());
    started.clear();
    crew.rethrow();
}

}  // namespace fewbits
