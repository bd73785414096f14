// The quantizer of one-dimensional data with the least squared error: k-means of a line.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fewbits {

// Returns 1..4096 levels in ascending order. Stops early when no level changes.
std::vector<float> lloyd_max(std::span<const float> x, std::uint32_t levels, std::uint32_t iterations);

}  // namespace fewbits
