// Vectors that are read at random places. On Linux large ones ask for pages of 2 MiB: with those of 4 KiB, finding the
// page of a row takes longer than reading the row.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fewbits {

template <class T>
struct LargePages {
    using value_type = T;

    LargePages() = default;
    template <class Other>
    LargePages(const LargePages<Other>&) noexcept {}

    T* allocate(std::size_t n) {
        const std::size_t bytes = n * sizeof(T);
        if (bytes < page) return static_cast<T*>(::operator new(bytes));
        void* memory = ::operator new(bytes, std::align_val_t{page});
#if defined(__linux__)
        static_cast<void>(::madvise(memory, bytes, MADV_HUGEPAGE));  // a wish: nothing depends on it
#endif
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, std::size_t n) noexcept {
        if (n * sizeof(T) < page)
            ::operator delete(memory);
        else
            ::operator delete(memory, std::align_val_t{page});
    }
    bool operator==(const LargePages&) const = default;

private:
    static constexpr std::size_t page = std::size_t{1} << 21;
};

template <class T>
using LargeVector = std::vector<T, LargePages<T>>;

}  // namespace fewbits
