// Progress reports of long operations on many rows, which also allow cancelling them: see Progress (parallel.h).
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/interrupt.h"
#include "base/parallel.h"

namespace fewbits {

// parallel_for that reports progress between slices of tasks.
template <class Body>
void in_slices(std::size_t tasks, std::size_t slice, unsigned threads, const Progress& progress, const Body& body) {
    if (!progress) slice = tasks;
    for (std::size_t first = 0; first < tasks; first += slice) {
        const std::size_t count = std::min(slice, tasks - first);
        parallel_for(count, threads, [&](std::size_t task, unsigned) { body(first + task); });
        if (progress) progress(static_cast<double>(first + count) / static_cast<double>(tasks));
    }
}

// For work of many small steps or several loops: reports progress once per `every` steps.
class ProgressCounter {
public:
    ProgressCounter(const Progress& progress, std::size_t total)
        : progress_(progress), total_(std::max<std::size_t>(total, 1)) {}

    void add(std::size_t n) {
        done_ += n;
        if (done_ < due_) return;
        due_ = done_ + every;
        poll();
        if (progress_) progress_(std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)));
    }

private:
    static constexpr std::size_t every = 1 << 16;

    const Progress& progress_;
    std::size_t total_, done_ = 0, due_ = 0;
};

}  // namespace fewbits
