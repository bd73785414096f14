// Hints to the operating system about mapped rows that may lie on disk. Hints change no result, so failures are
// ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fewbits::io {

// For rows that will be read individually and in any order: a page fault should read only its own page.
void advise_random(std::span<const std::byte> mapped);

// For rows (in ascending order) that will be read soon: starts all reads at once, so that their latencies overlap.
void advise_rows(const std::uint8_t* base, std::size_t stride, std::span<const std::uint32_t> rows);

}  // namespace fewbits::io
