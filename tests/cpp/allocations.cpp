#include "allocations.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <new>
#include <sys/mman.h>

namespace allocations {
namespace {

std::atomic<std::int64_t> live = 0, most = 0, before = 0;

void noted(std::size_t bytes) {
    const auto now = live += static_cast<std::int64_t>(bytes);
    for (std::int64_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
}

void forgotten(std::size_t bytes) {
    live -= static_cast<std::int64_t>(bytes);
}

}  // namespace

Peak::Peak() {
    before = live.load();
    most = live.load();
}
std::size_t Peak::bytes() const {
    return static_cast<std::size_t>(most - before);
}

}  // namespace allocations

using namespace allocations;

#ifdef FEWBITS_SANITIZED  // a sanitizer's own allocator reports what it does

extern "C" {
std::size_t __sanitizer_get_allocated_size(const volatile void*);  // gcc has no header for it

[[gnu::visibility("default")]] void __sanitizer_malloc_hook(const volatile void*, std::size_t bytes) {
    noted(bytes);
}
[[gnu::visibility("default")]] void __sanitizer_free_hook(const volatile void* memory) {
    forgotten(__sanitizer_get_allocated_size(memory));
}
}

#else

namespace allocations {
namespace {

constexpr std::int64_t never = std::int64_t{1} << 62;
std::atomic<std::int64_t> left = never;  // number of allocations before the failing one

bool fails() {
    if (left.load(std::memory_order_relaxed) >= never) return false;
    return left.fetch_sub(1, std::memory_order_relaxed) == 0;
}

}  // namespace

Failing::Failing(std::size_t nth) {
    left = static_cast<std::int64_t>(nth);
}
Failing::~Failing() {
    left = never;
}
bool Failing::happened() const {
    return left < 0;
}

}  // namespace allocations

void* operator new(std::size_t bytes) {
    void* memory = fails() ? nullptr : std::malloc(std::max<std::size_t>(bytes, 1));
    if (memory == nullptr) throw std::bad_alloc();
    noted(::malloc_usable_size(memory));
    return memory;
}
void operator delete(void* memory) noexcept {
    if (memory == nullptr) return;
    forgotten(::malloc_usable_size(memory));
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    operator delete(memory);
}

extern "C" {

void* __real_realloc(void*, std::size_t);
void* __real_mmap(void*, std::size_t, int, int, int, off_t);

void* __wrap_realloc(void* memory, std::size_t bytes) {
    if (fails()) return nullptr;
    return __real_realloc(memory, bytes);
}

void* __wrap_mmap(void* where, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (!fails()) return __real_mmap(where, bytes, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

}  // extern "C"

#endif
