// Named points during the writing of a file at which a test may stop the process or throw. The callback is null outside
// tests, where a point costs a load and a branch.
#pragma once

#include <atomic>

namespace fewbits::io {

using TestPoint = void (*)(const char* name);
inline std::atomic<TestPoint> on_test_point = nullptr;

inline void test_point(const char* name) {
    if (const TestPoint stop = on_test_point.load(std::memory_order_relaxed)) stop(name);
}

}  // namespace fewbits::io
