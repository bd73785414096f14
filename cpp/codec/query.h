// A query as integers, and the score of a sum of products with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/codec.h"
#include "codec/range.h"

namespace fewbits::codec {

// q as integers in -limit..limit times the returned scale (> 0), and their sum; `largest`, no less than any magnitude,
// becomes the limit. Values too small to have a scale are zeros.
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

// As the scans compute it (kernels.h), so that a row's score is the same whoever asks.
inline float score_of(std::int32_t sum, const QueryTerms& terms, float a, const float* b, float b_scale,
                      float constant) {
    const float score = (static_cast<float>(sum) * terms.scale + terms.offset) * a;
    return (b ? score + b_scale * *b : score) + constant;
}

}  // namespace fewbits::codec
