#include "multivector/token_maxima.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/interrupt.h"
#include "base/norm.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

constexpr float most_level = 63;
constexpr float most_length = 181;    // 181^2 < 2^15
constexpr float least_step = 1e-37f;  // whose inverse is finite
constexpr std::int32_t token_zero = 64;
constexpr std::size_t group_tokens = 8;
constexpr std::size_t cached_bytes = 16 * 1024;  // of tokens that all points pass over

// The step at which no coordinate of the rows exceeds most_level, and no rounded row most_length.
float step_of(MatrixView rows) {
    double longest = 0;
    float largest = 0;
    for (std::size_t i = 0; i < rows.rows; ++i) {
        longest = std::max(longest, squared_length(rows.row(i), rows.cols));
        for (std::size_t j = 0; j < rows.cols; ++j) largest = std::max(largest, std::fabs(rows.row(i)[j]));
    }
    const double rounding = std::sqrt(static_cast<double>(rows.cols)) / 2;
    const double by_length = std::sqrt(longest) / (double{most_length} - rounding);
    return std::max(largest / most_level, static_cast<float>(by_length));
}

// What rows are multiplied by before they are rounded; rows of zeros, or nearly, stay zeros.
float scale_of(float step) {
    return step >= least_step ? 1 / step : 0.0f;
}

std::int32_t level_of(float x, float scale) {
    constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to an integer
    const float level = (x * scale + to_integer) - to_integer;
    return static_cast<std::int32_t>(std::clamp(level, -most_level, most_level));
}

}  // namespace

RoundedRows round_rows(MatrixView x) {
    RoundedRows rounded{std::vector<std::int8_t>(x.size()), std::vector<float>(x.rows)};
    for (std::size_t i = 0; i < x.rows; ++i) {
        rounded.steps[i] = step_of(x.block(i, 1));
        const float scale = scale_of(rounded.steps[i]);
        for (std::size_t j = 0; j < x.cols; ++j)
            rounded.levels[i * x.cols + j] = static_cast<std::int8_t>(level_of(x.row(i)[j], scale));
    }
    return rounded;
}

TokenMaxima::TokenMaxima(std::span<const std::int8_t> levels, std::span<const float> steps, std::size_t dim)
    : dim_(dim),
      padded_((dim + 3) / 4 * 4),
      points_(checked_mul(steps.size(), padded_)),
      bias_(steps.size()),
      steps_(steps.begin(), steps.end()) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        std::int32_t sum = 0;
        for (std::size_t j = 0; j < dim; ++j) sum += points_[i * padded_ + j] = levels[i * dim + j];
        bias_[i] = static_cast<std::int16_t>(static_cast<std::uint16_t>(-token_zero * sum));
    }
}

void TokenMaxima::find(MatrixView tokens, Scratch& scratch, float* out) const {
    poll(checked_mul(tokens.rows, points_.size()));
    const float step = step_of(tokens), scale = scale_of(step);
    const std::size_t group = group_tokens * padded_, groups = (tokens.rows + group_tokens - 1) / group_tokens;
    scratch.tokens.assign(groups * group, static_cast<std::uint8_t>(token_zero));
    scratch.maxima.assign(size(), std::numeric_limits<std::int16_t>::min());
    for (std::size_t t = 0; t < groups * group_tokens; ++t) {
        const float* token = tokens.row(std::min(t, tokens.rows - 1));  // the last fills its group
        std::uint8_t* at = scratch.tokens.data() + t / group_tokens * group + t % group_tokens * 4;
        for (std::size_t j = 0; j < dim_; ++j)
            at[j / 4 * 32 + j % 4] = static_cast<std::uint8_t>(token_zero + level_of(token[j], scale));
    }
    const std::size_t at_once = std::max<std::size_t>(4, cached_bytes / group / 4 * 4);
    for (std::size_t g = 0; g < groups; g += at_once)
        kernels::active().max_products(
            {points_.data(), static_cast<std::uint32_t>(size()), static_cast<std::uint32_t>(padded_), bias_.data(),
             scratch.tokens.data() + g * group, static_cast<std::uint32_t>(std::min(at_once, groups - g)),
             scratch.maxima.data()});
    for (std::size_t i = 0; i < size(); ++i) out[i] = static_cast<float>(scratch.maxima[i]) * steps_[i] * step;
}

}  // namespace fewbits
