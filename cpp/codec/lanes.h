// Four floats at a time on the baseline architecture (SSE2, NEON), for reductions by comparison, which compilers do not
// vectorise. Comparisons do not round, so the result does not depend on the order of reduction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace fewbits::codec {

inline constexpr std::size_t lanes = 4;
using Lanes = float __attribute__((vector_size(lanes * sizeof(float))));

inline Lanes load_lanes(const float* x) {
    Lanes value;
    std::memcpy(&value, x, sizeof value);
    return value;
}

inline Lanes all_lanes(float x) {
    return Lanes{x, x, x, x};
}
inline Lanes lesser(Lanes x, Lanes y) {
    return x < y ? x : y;
}
inline Lanes greater(Lanes x, Lanes y) {
    return x > y ? x : y;
}
inline float least_lane(Lanes x) {
    return std::min(std::min(x[0], x[1]), std::min(x[2], x[3]));
}
inline float greatest_lane(Lanes x) {
    return std::max(std::max(x[0], x[1]), std::max(x[2], x[3]));
}

}  // namespace fewbits::codec
