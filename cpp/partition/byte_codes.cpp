#include "partition/byte_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/norm.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

constexpr std::uint8_t zero = 128;  // the byte of 0
constexpr float too_large = 1e15f;
constexpr double above = 1 + 1e-6, above_sums = 1 + 1e-3;  // more than rounding takes off doubles, or sums of floats
constexpr float least = std::numeric_limits<float>::min();

// Magnitudes are compared as integers, of which many at a time are; a NaN is above all numbers.
float largest_magnitude(std::span<const float> x) {
    std::int32_t largest = 0;
    for (const float value : x) largest = std::max(largest, std::bit_cast<std::int32_t>(value) & 0x7fffffff);
    return std::bit_cast<float>(largest);
}

// To integers in -limit..limit, with the returned step; 0 if all numbers are too small for one.
template <class Integer>
float quantize(std::span<const float> x, float largest, int limit, int zero_is, Integer* out) {
    const float step = largest / static_cast<float>(limit);
    const float inverse = step >= least ? 1 / step : 0;
    for (std::size_t j = 0; j < x.size(); ++j) {
        const float value = x[j] * inverse;
        const int nearest = static_cast<int>(value + (value < 0 ? -0.5f : 0.5f));
        out[j] = static_cast<Integer>(zero_is + std::clamp(nearest, -limit, limit));
    }
    return inverse > 0 ? step : 0;
}

// Or a little more, also where squares underflow.
float length_of(std::span<const float> x, float largest) {
    if (largest < 1e-15f) return static_cast<float>(largest * std::sqrt(static_cast<double>(x.size())) * above);
    float squared = 0;
    kernels::active().rows_dot_f32({reinterpret_cast<const std::uint8_t*>(x.data()), 0, nullptr, 1,
                                    static_cast<std::uint32_t>(x.size()), nullptr, x.data(), &squared});
    return static_cast<float>(std::sqrt(squared) * above_sums);
}

}  // namespace

ByteCodes::ByteCodes(std::size_t n, std::size_t dim)
    : dim_(dim), bytes_(n * dim), scales_(n), errors_(n), lengths_(n) {}

void ByteCodes::set(std::size_t row, std::span<const float> x) {
    std::uint8_t* bytes = bytes_.data() + row * dim_;
    const float scale = scales_[row] = quantize(x, largest_magnitude(x), 127, zero, bytes);
    double lost = 0, squared = 0;
    for (std::size_t j = 0; j < dim_; ++j) {
        const double value = double{scale} * (bytes[j] - zero);
        lost += (x[j] - value) * (x[j] - value);
        squared += value * value;
    }
    errors_[row] = static_cast<float>(std::sqrt(lost) * above) + least;
    lengths_[row] = static_cast<float>(std::sqrt(squared) * above) + least;
}

bool ByteCodes::prepare(std::span<const float> x, Query& query) const {
    const float largest = largest_magnitude(x);
    if (!(largest < too_large)) return false;
    // 12 bits, or fewer if sums would not fit in 32.
    const auto limit =
        static_cast<int>(std::min<std::size_t>(2047, std::numeric_limits<std::int32_t>::max() / (255 * dim_)));
    query.integers.resize(dim_);
    query.scale = quantize(x, largest, limit, 0, query.integers.data());
    query.sum = 0;
    for (const std::int16_t each : query.integers) query.sum += each;
    query.length = length_of(x, largest);
    const double most_lost = query.scale > 0 ? 0.501 * query.scale : largest;  // per coordinate
    query.lost = static_cast<float>(most_lost * std::sqrt(static_cast<double>(dim_))) + least;
    return true;
}

void ByteCodes::products(Query& query, const std::uint32_t* rows, std::size_t n, float* out) const {
    query.products.resize(n);
    kernels::active().rows_dot8({bytes_.data(), dim_, rows, static_cast<std::uint32_t>(n),
                                 static_cast<std::uint32_t>(dim_), nullptr, query.integers.data(),
                                 query.products.data()});
    const std::int32_t of_zeros = zero * query.sum;
    for (std::size_t i = 0; i < n; ++i)
        out[i] = static_cast<float>(query.products[i] - of_zeros) * query.scale * scales_[rows ? rows[i] : i];
}

}  // namespace fewbits
