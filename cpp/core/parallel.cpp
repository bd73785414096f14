#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fewbits {

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
        for (std::size_t task = 0; task < n; ++task) body(task, 0);
        return;
    }
    std::atomic<std::size_t> next{0};
    std::exception_ptr error;
    std::mutex error_mutex;
    const auto work = [&](unsigned worker) {
        for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < n;) {
            try {
                body(task, worker);
            } catch (...) {
                next.store(n, std::memory_order_relaxed);
                const std::lock_guard lock(error_mutex);
                if (!error) error = std::current_exception();
            }
        }
    };
    std::vector<std::jthread> started;
    started.reserve(workers - 1);
    try {
        for (unsigned worker = 1; worker < workers; ++worker) started.emplace_back(work, worker);
    } catch (const std::system_error&) {
        // No more threads to be had: the ones we have do all the tasks.
    }
    work(0);
    started.clear();
    if (error) std::rethrow_exception(error);
}

}  // namespace fewbits
