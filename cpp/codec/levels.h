// The 16 levels of a 4-bit scalar code, and what they are to coordinates that are normally distributed: that model
// fixes the scale at which encoding starts and what a staged scan may expect of the bits it has not read.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace fewbits::codec {

inline constexpr std::uint32_t level_count = 16;

struct LevelModel {
    std::array<float, level_count> values;     // level - 63.5
    std::array<float, level_count - 1> edges;  // midpoints of neighbouring values
    float deviation;                           // of a normal distribution that these levels suit best
    // The high bit alone, as a value of +half or -half: unbiased, that is <x, x^> = |x|^2 for a vector x and its halves
    // x^ (the expected value given the bit would be nearer, but would score the nearest neighbours, and only them, too
    // low).
    float half;
    float half_deviation;  // of that around the value, a dimension, across x
};

LevelModel model_levels(std::span<const std::uint8_t> levels);

}  // namespace fewbits::codec
