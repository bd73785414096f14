#include "codec/rabitq/digits.h"

#include <algorithm>
#include <limits>

#include "codec/query.h"

namespace fewbits::codec {
namespace {

constexpr std::uint32_t most_digits = 4;
constexpr std::uint32_t bits_per_digit = 2;

std::vector<float> positive(const Parts& parts, const std::string& name, std::size_t count, std::size_t used) {
    const std::span<const float> found = parts.finite(name, count);
    for (std::size_t j = 0; j < used; ++j)
        if (!(found[j] >= std::numeric_limits<float>::min()))
            corrupt("array '" + name + "': got " + std::to_string(found[j]) + ", expected positive numbers");
    return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(used)};
}

}  // namespace

Digits::Digits(const Parts& parts, const std::string& prefix, std::uint32_t dim) {
    const std::string name = prefix + ".digits";
    const std::span<const std::uint8_t> digits = parts.array<std::uint8_t>(name, (dim + 3) / 4);
    if (digits[0] < 1 || digits[0] > most_digits || !std::is_sorted(digits.rbegin(), digits.rend()))
        corrupt("array '" + name + "': expected numbers that do not ascend, the first in 1..4");
    for (std::uint32_t count = 1; count <= digits[0]; ++count)
        quads_.push_back(static_cast<std::uint32_t>(
            std::count_if(digits.begin(), digits.end(), [count](std::uint8_t own) { return own >= count; })));
    dim_ = std::min(dim, 4 * quads_[0]);
    for (std::uint32_t count = digits[0]; count >= 1; --count) {
        multiplies_.push_back(count < digits[0]);
        multiplies_.insert(multiplies_.end(), quads_[count - 1] - 1, 0);
        const std::uint32_t first = segments_.empty() ? 0 : segments_.back().last;
        const std::uint32_t last = std::min(dim, 4 * quads_[count - 1]);
        if (last > first) segments_.push_back({first, last, 1 << (bits_per_digit * count - 1)});
    }
    inverse_steps_ = positive(parts, prefix + ".step", dim, dim_);
    for (float& step : inverse_steps_) step = 1 / step;
    values_ = positive(parts, prefix + ".value", dim, dim_);
}

void Digits::set_layout(CodeLayout& layout) const {
    layout.element_bits = 4;
    layout.elements = static_cast<std::uint32_t>(2 * multiplies_.size());
}

void Digits::round(const float* r, float deviation, float* scratch, std::uint8_t* codes) const {
    const float scale = 1 / deviation;
    for (std::uint32_t j = 0; j < dim_; ++j) scratch[j] = r[j] * (inverse_steps_[j] * scale) - 0.5f;
    for (const Segment& segment : segments_) {
        const auto half = static_cast<float>(segment.half);
        kernels::active().encode_uniform(scratch + segment.first, segment.last - segment.first, 1, -half, half - 1,
                                         codes + segment.first);
        for (std::uint32_t j = segment.first; j < segment.last; ++j)
            codes[j] = static_cast<std::uint8_t>(codes[j] + middle() - segment.half);
    }
}

QueryTerms Digits::terms(const float* weights, std::uint8_t* table) const {
    std::vector<float> weighted(dim_);
    for (std::uint32_t j = 0; j < dim_; ++j) weighted[j] = weights[j] * values_[j];
    std::vector<std::int8_t> query(std::size_t{4} * quads_[0]);
    std::int64_t sum, centers = 0;  // sum over dimensions of query times twice the center of the code
    const float scale = quantize_query(weighted.data(), dim_, 127, query.data(), sum);
    for (const Segment& segment : segments_)
        for (std::uint32_t j = segment.first; j < segment.last; ++j) centers += query[j] * (2 * segment.half - 1);
    for (std::size_t count = quads_.size(); count-- > 0;)
        table = std::copy_n(query.begin(), std::size_t{4} * quads_[count], table);
    return {scale, -0.5f * static_cast<float>(centers) * scale, 0, 1};
}

template <class Visit>
void Digits::for_digits(const Visit& visit) const {
    std::size_t at = 0;
    for (std::size_t count = quads_.size(); count-- > 0;)
        for (std::uint32_t quad = 0; quad < quads_[count]; ++quad, ++at)
            for (std::uint32_t j = 0; j < 4 && 4 * quad + j < dim_; ++j)
                visit(at, 4 * quad + j, bits_per_digit * j, bits_per_digit * static_cast<std::uint32_t>(count));
}

void Digits::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    std::vector<std::uint8_t> numbers(dim_);
    for (const Segment& segment : segments_)
        for (std::uint32_t j = segment.first; j < segment.last; ++j)
            numbers[j] = static_cast<std::uint8_t>(codes[j] - middle() + segment.half);
    std::fill_n(row, multiplies_.size(), std::uint8_t{0});
    for_digits([&](std::size_t at, std::uint32_t dimension, std::uint32_t to, std::uint32_t from) {
        row[at] = static_cast<std::uint8_t>(row[at] | (numbers[dimension] >> from & 3) << to);
    });
}

void Digits::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    for (const Segment& segment : segments_)
        std::fill(codes + segment.first, codes + segment.last, static_cast<std::uint8_t>(middle() - segment.half));
    for_digits([&](std::size_t at, std::uint32_t dimension, std::uint32_t to, std::uint32_t from) {
        codes[dimension] = static_cast<std::uint8_t>(codes[dimension] + ((row[at] >> to & 3) << from));
    });
}

}  // namespace fewbits::codec
