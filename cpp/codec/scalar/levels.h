// The levels of a scalar code, and a model of them for normally distributed coordinates. The model determines the scale
// at which encoding starts and the expected contribution of the bits that the first stage of a scan does not read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fewbits::codec {

inline constexpr std::uint32_t level_count = 16;  // of a 4-bit scalar code
inline constexpr float outermost_level = 63.5f;   // the largest value of a level: levels are 0..127, centred at 63.5

struct LevelModel {
    std::vector<float> values;  // ascending, symmetric about 0
    std::vector<float> edges;   // midpoints of neighbouring values
    float deviation;            // of the normal distribution that these levels suit best
    // The value of the high bit alone is +half or -half. It is unbiased: <x, x^> = |x|^2 for a vector x and the x^ of
    // these values. (The expected value given the bit would be nearer to x, but would give too low scores to nearest
    // neighbours, and only to these.)
    float half;
    float half_deviation;  // standard deviation of x^ per dimension, across x
};

// values: within +-outermost_level, some of them near these bounds.
LevelModel model_levels(std::span<const float> values);

// 2^bits uniform levels from -outermost_level to outermost_level.
std::vector<float> uniform_values(std::uint32_t bits);

}  // namespace fewbits::codec
