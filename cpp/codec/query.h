// Quantizes queries to integers, and converts sums of products with these to scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/codec.h"
#include "codec/range.h"

namespace fewbits::codec {

// Quantizes q to integers in -limit..limit and computes their sum; q is about the integers times the returned scale
// (> 0). `largest` (>= all magnitudes) is mapped to the limit. If it is too small for a scale, all integers are zero.
template <class Integer>
float quantize_query(const float* q, std::size_t n, float largest, int limit, Integer* out, std::int64_t& sum) {
    const bool usable = largest >= std::numeric_limits<float>::min() * static_cast<float>(limit)
                        && largest <= std::numeric_limits<float>::max();
    const float inverse = usable ? static_cast<float>(limit) / largest : 0.0f;
    sum = 0;
    for (std::size_t j = 0; j < n; ++j) {
        const float value = q[j] * inverse;
        const int nearest = static_cast<int>(value + (value < 0 ? -0.5f : 0.5f));
        out[j] = static_cast<Integer>(std::clamp(nearest, -limit, limit));
        sum += out[j];
    }
    return usable ? largest / static_cast<float>(limit) : 1.0f;
}
template <class Integer>
float quantize_query(const float* q, std::size_t n, int limit, Integer* out, std::int64_t& sum) {
    return quantize_query(q, n, largest_magnitude(q, n), limit, out, sum);
}

// Computed as in scans (kernels.h), so that a row has the same score everywhere.
inline float score_of(std::int32_t sum, const QueryTerms& terms, float a, const float* b, float b_scale,
                      float constant) {
    const float score = (static_cast<float>(sum) * terms.scale + terms.offset) * a;
    return (b ? score + b_scale * *b : score) + constant;
}

}  // namespace fewbits::codec
