// The checksum of the file format: CRC-32 as in zlib, PNG and Ethernet, so that other readers can use a library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fewbits::io {

// Extends the checksum `before` by `bytes`. The checksum of no bytes is 0.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0);

// The checksum of two consecutive pieces, from the checksum of each; pieces can thus be processed in parallel.
std::uint32_t crc32_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes);

}  // namespace fewbits::io
