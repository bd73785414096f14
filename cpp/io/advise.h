// Hints to the operating system about mapped rows that may lie on disk. Hints change no result, so failures are
// ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fewbits::io {

// Single rows will be read in no order: a fault should read its page and no neighbours.
void advise_random(std::span<const std::byte> mapped);

// These rows (ascending numbers) will be read soon: all their reads start now, and their latencies overlap.
void advise_rows(const std::uint8_t* base, std::size_t stride, std::span<const std::uint32_t> rows);

}  // namespace fewbits::io
