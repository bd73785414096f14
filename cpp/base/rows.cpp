#include "base/rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/norm.h"

namespace fewbits {
namespace {

std::int32_t magnitude_bits(float value) {  // ordered like magnitudes, infinity and NaN last
    return std::bit_cast<std::int32_t>(value) & 0x7fffffff;
}

// Whether no value is above a limit and, where that matters, not all are zero. Without an early exit, so that compilers
// vectorise it.
bool is_plain(const float* row, std::size_t d, std::int32_t limit, bool nonzero) {
    std::int32_t above = 0, any = 0;
    for (std::size_t j = 0; j < d; ++j) {
        const std::int32_t magnitude = magnitude_bits(row[j]);
        above |= magnitude > limit ? 1 : 0;
        any |= magnitude;
    }
    return above == 0 && (any != 0 || !nonzero);
}

bool is_good(const float* row, std::size_t d, const RowRule& rule) {
    const double squares = squared_length(row, d);
    return std::isfinite(squares) && std::sqrt(squares) <= rule.longest && (squares > 0 || !rule.nonzero);
}

}  // namespace

std::ptrdiff_t first_bad_row(MatrixView x, const RowRule& rule) {
    // Rows of values below this limit cannot be too long; the few others are checked exactly.
    const double safe = rule.longest / std::sqrt(static_cast<double>(std::max<std::size_t>(x.cols, 1)));
    constexpr float largest = std::numeric_limits<float>::max();
    const std::int32_t limit = magnitude_bits(static_cast<float>(std::min(safe * 0.99, double{largest})));
    for (std::size_t i = 0; i < x.rows; ++i)
        if (!is_plain(x.row(i), x.cols, limit, rule.nonzero) && !is_good(x.row(i), x.cols, rule))
            return static_cast<std::ptrdiff_t>(i);
    return -1;
}

RowRule row_rule(Metric metric) {
    return metric == Metric::cosine ? RowRule{} : RowRule{false, 0x1p62};
}

std::vector<float> checked_copy(MatrixView x, const RowRule& rule, const char* name, std::size_t first_row) {
    std::vector<float> copy(x.data, x.data + x.size());
    if (const std::ptrdiff_t bad = first_bad_row({copy.data(), x.rows, x.cols}, rule); bad >= 0)
        fail(std::string(name) + ": expected finite values within the range of float32 scores, got others in row "
             + std::to_string(first_row + static_cast<std::size_t>(bad)));
    return copy;
}

}  // namespace fewbits
