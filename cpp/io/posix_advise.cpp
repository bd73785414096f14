#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

#include "io/advise.h"

namespace fewbits::io {
namespace {

const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));

// Advises all pages that overlap [first, end).
void advise(std::uintptr_t first, std::uintptr_t end, int advice) {
    const std::uintptr_t start = first / page * page;
    if (end > first) static_cast<void>(::madvise(reinterpret_cast<void*>(start), end - start, advice));
}

}  // namespace

void advise_random(std::span<const std::byte> mapped) {
    const auto first = reinterpret_cast<std::uintptr_t>(mapped.data());
    advise(first, first + mapped.size(), MADV_RANDOM);
}

void advise_rows(const std::uint8_t* base, std::size_t stride, std::span<const std::uint32_t> rows) {
    std::uintptr_t first = 0, end = 0;  // the run of pages collected so far
    for (const std::uint32_t row : rows) {
        const auto start = reinterpret_cast<std::uintptr_t>(base) + row * stride;
        const std::uintptr_t row_first = start / page * page;
        const std::uintptr_t row_end = (start + stride + page - 1) / page * page;
        if (row_first > end || row_first < first) {
            advise(first, end, MADV_WILLNEED);
            first = row_first;
            end = row_end;
        } else {
            end = std::max(end, row_end);
        }
    }
    advise(first, end, MADV_WILLNEED);
}

}  // namespace fewbits::io
