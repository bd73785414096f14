#include "core/rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace fewbits {
namespace {

// The bits of the largest magnitude: they order as magnitudes do, NaN last. Without a way out: compilers then take many
// values at a time.
std::int32_t largest_bits(const float* row, std::size_t d) {
    std::int32_t largest = 0;
    for (std::size_t j = 0; j < d; ++j) largest = std::max(largest, std::bit_cast<std::int32_t>(row[j]) & 0x7fffffff);
    return largest;
}

double length(const float* row, std::size_t d) {
    double squares = 0;
    for (std::size_t j = 0; j < d; ++j) squares += double{row[j]} * double{row[j]};
    return std::sqrt(squares);
}

}  // namespace

std::ptrdiff_t first_bad_row(MatrixView x, const RowRule& rule) {
    constexpr std::int32_t infinite = 0x7f800000;
    // Rows whose values are all below this are not too long; the few others need their length.
    const double safe = rule.longest / std::sqrt(static_cast<double>(std::max<std::size_t>(x.cols, 1)));
    for (std::size_t i = 0; i < x.rows; ++i) {
        const std::int32_t largest = largest_bits(x.row(i), x.cols);
        if (largest >= infinite || (largest == 0 && rule.nonzero)) return static_cast<std::ptrdiff_t>(i);
        if (double{std::bit_cast<float>(largest)} > safe && length(x.row(i), x.cols) > rule.longest)
            return static_cast<std::ptrdiff_t>(i);
    }
    return -1;
}

}  // namespace fewbits
