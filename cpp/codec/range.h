// Minimum and maximum of floats.
#pragma once

#include <algorithm>
#include <cstddef>

#include "codec/lanes.h"

namespace fewbits::codec {

struct Range {
    float low;
    float high;
};

// n > 0.
inline Range range_of(const float* x, std::size_t n) {
    Lanes low = all_lanes(x[0]), high = low;
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        low = lesser(load_lanes(x + i), low);
        high = greater(load_lanes(x + i), high);
    }
    for (; i < n; ++i) {
        low = lesser(all_lanes(x[i]), low);
        high = greater(all_lanes(x[i]), high);
    }
    return {least_lane(low), greatest_lane(high)};
}

inline float largest_magnitude(const float* x, std::size_t n) {
    const Range range = range_of(x, n);
    return std::max(-range.low, range.high);
}

}  // namespace fewbits::codec
