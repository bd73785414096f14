// Controls memory in tests: the nth allocation fails, or usage is measured. Replaces operator new and, by means of the
// linker (--wrap in CMakeLists.txt), realloc and mmap, for everything in the test program. A sanitizer has its own
// allocator, which allows only measuring.
#pragma once

#include <cstddef>

namespace allocations {

// While this object exists, the nth allocation since its construction (0: the next) fails, in whichever thread.
class Failing {
public:
    explicit Failing(std::size_t nth);
    Failing(const Failing&) = delete;
    Failing& operator=(const Failing&) = delete;
    ~Failing();
    bool happened() const;
};

// The peak of allocated bytes since construction, relative to what was allocated then.
class Peak {
public:
    Peak();
    std::size_t bytes() const;
};

}  // namespace allocations
