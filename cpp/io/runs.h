// Arrays written as runs of equal words of 8 bytes: the difference (XOR) of two states of an array, which is mostly
// zeros, and the first rows of lists, most of which are empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fewbits::io {

// u64 length in bytes, u64 number of runs, their words, and how often each occurs (u32); padded to words. before: an
// earlier state, no longer than `bytes`; zeros stand for what it lacks.
std::vector<std::byte> encode_runs(std::span<const std::byte> bytes, std::span<const std::byte> before = {});

// The length of what encode_runs was given. Throws Error(corrupt) unless `encoded` is what it returns for some bytes.
std::uint64_t decoded_bytes(std::span<const std::byte> encoded);
// XORs the decoded bytes to `out`, which has at least decoded_bytes of them.
void xor_runs(std::span<const std::byte> encoded, std::span<std::byte> out);

}  // namespace fewbits::io
