// Sums that are rounded identically on every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::codec {

// The kernels' reduction order, so that codes do not depend on the instruction set.
inline float dot(const float* x, const float* y, std::size_t n) {
    float sum = 0;
    kernels::Rows rows{};
    rows.base = reinterpret_cast<const std::uint8_t*>(x);
    rows.n = 1;
    rows.dim = static_cast<std::uint32_t>(n);
    rows.query = y;
    rows.out = &sum;
    kernels::active().rows_dot_f32(rows);
    return sum;
}

inline float squared_norm(const float* x, std::size_t n) {
    return dot(x, x, n);
}

}  // namespace fewbits::codec
