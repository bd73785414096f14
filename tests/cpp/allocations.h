// Memory as a test wants it: running out at the nth allocation, or measured. Replaces operator new, and with the
// linker's help (--wrap in CMakeLists.txt) realloc and mmap, for everything in the test program. A sanitizer has an
// allocator of its own, which can be measured only.
#pragma once

#include <cstddef>

namespace allocations {

// While it lives the nth allocation from its birth on (0: the next) fails, whichever thread makes it.
class Failing {
public:
    explicit Failing(std::size_t nth);
    Failing(const Failing&) = delete;
    Failing& operator=(const Failing&) = delete;
    ~Failing();
    bool happened() const;
};

// The most bytes that were allocated at a time since its birth, above what there was then.
class Peak {
public:
    Peak();
    std::size_t bytes() const;
};

}  // namespace allocations
