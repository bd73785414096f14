// The only threads of fewbits. Threads live as long as one call, so there is nothing to survive a fork, nothing to
// configure and nothing left running; starting one costs about 20 us, which calls of this library amortise.
#pragma once

#include <cstddef>
#include <functional>

namespace fewbits {

// 0 means every CPU this process may run on.
unsigned resolve_threads(unsigned requested);

// body(task, worker) for each task in 0..n-1, on at most `threads` workers (the caller is worker 0). Tasks are handed
// out in order. The first exception stops further tasks and is rethrown here after all workers ended. Between tasks the
// workers poll (interrupt.h).
void parallel_for(std::size_t n, unsigned threads, const std::function<void(std::size_t task, unsigned worker)>& body);

// Long work reports its progress (0..1) from the calling thread, between steps; the callback may throw to cancel.
using Progress = std::function<void(double fraction)>;

}  // namespace fewbits
