// The checksum of the file format: CRC-32 as zlib, PNG and Ethernet define it, so that any other reader has it at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fewbits::io {

// The checksum of what `before` covers followed by `bytes`; `before` is 0 for nothing.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

// The checksum of two pieces in a row, from the checksum of each: pieces can be summed in parallel.
std::uint32_t crc32_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace fewbits::io
