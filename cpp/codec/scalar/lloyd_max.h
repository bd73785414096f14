// The quantizer of one-dimensional data with the least squared error: k-means of a line.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fewbits {

// Ascending levels, 1..4096 of them. Stops early when nothing moves.
std::vector<float> lloyd_max(std::span<const float> x, std::uint32_t levels, std::uint32_t iterations);

}  // namespace fewbits
