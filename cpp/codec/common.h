// What the codecs share: sums that every instruction set rounds alike, per-query quantisation, residuals of a block of
// rows. Private to codec/.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "codec/codec.h"
#include "codec/lanes.h"
#include "kernels/kernels.h"

namespace fewbits::codec {

// Rows that are encoded or decoded together: small enough that a block of floats stays in the cache.
inline constexpr std::size_t rows_at_once = 128;

[[noreturn]] inline void corrupt(const std::string& message) {
    throw Error(ErrorKind::corrupt, message);
}

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

// Rows first..first + count of x, less their origin if there is one (then they are written to `buffer`).
inline MatrixView residuals(MatrixView x, const float* origin, std::size_t first, std::size_t count,
                            std::vector<float>& buffer) {
    const MatrixView rows = x.block(first, count);
    if (!origin) return rows;
    buffer.resize(rows.size());
    const float* from = origin + first * x.cols;
    for (std::size_t i = 0; i < rows.size(); ++i) buffer[i] = rows.data[i] - from[i];
    return {buffer.data(), count, x.cols};
}

inline void add_origin(Matrix<float> x, const float* origin) {
    if (origin)
        for (std::size_t i = 0; i < x.size(); ++i) x.data[i] += origin[i];
}

// The factor b of l2 over residuals: -|origin + decoded|^2 of each row; `decoded` is overwritten.
inline void negated_norms(Matrix<float> decoded, const float* origin, float* b) {
    add_origin(decoded, origin);
    for (std::size_t i = 0; i < decoded.rows; ++i) b[i] = -squared_norm(decoded.row(i), decoded.cols);
}

}  // namespace fewbits::codec
