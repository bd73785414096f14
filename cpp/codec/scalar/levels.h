// The levels of a scalar code, and what they are to coordinates that are normally distributed: that model fixes the
// scale at which encoding starts and what a staged scan may expect of the bits it has not read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fewbits::codec {

inline constexpr std::uint32_t level_count = 16;  // of a 4-bit scalar code
inline constexpr float outermost_level = 63.5f;   // its largest value: levels are 0..127 about 63.5

struct LevelModel {
    std::vector<float> values;  // ascending, symmetric about 0
    std::vector<float> edges;   // midpoints of neighbouring values
    float deviation;            // of a normal distribution that these levels suit best
    // The high bit alone, as a value of +half or -half: unbiased, that is <x, x^> = |x|^2 for a vector x and its halves
    // x^ (the expected value given the bit would be nearer, but would score the nearest neighbours, and only them, too
    // low).
    float half;
    float half_deviation;  // of that around the value, a dimension, across x
};

// values: within +-outermost_level, and some near it.
LevelModel model_levels(std::span<const float> values);

// 2^bits uniform levels from -outermost_level to outermost_level.
std::vector<float> uniform_values(std::uint32_t bits);

}  // namespace fewbits::codec
