// The only threads of fewbits. Threads exist for the duration of one call, so nothing has to survive a fork, be
// configured or be shut down; starting one costs about 20 us, which the calls of this library amortise.
#pragma once

#include <cstddef>
#include <functional>

namespace fewbits {

// 0 means all CPUs that this process may use.
unsigned resolve_threads(unsigned requested);

// Calls body(task, worker) for each task in 0..n-1, on at most `threads` workers (the caller is worker 0). Tasks are
// started in order. The first exception stops further tasks and is rethrown here after all workers have ended. Between
// tasks the workers poll (interrupt.h).
void parallel_for(std::size_t n, unsigned threads, const std::function<void(std::size_t task, unsigned worker)>& body);

// Long operations report their progress (0..1) from the calling thread, between steps; the callback may throw to
// cancel.
using Progress = std::function<void(double fraction)>;

}  // namespace fewbits
