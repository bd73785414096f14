// A grid with more bits for the dimensions in front, in which vectors have more energy: 8, 6, 4, 2 or none, as up to
// four digits of 2 bits. Scans multiply by 4 from digit to digit (dot_digits in kernels.h), so that one int8 query
// serves all dimensions, and sums are exact.
//
// Array "<prefix>.digits": for every four dimensions the number of their digits, not ascending. Where a dimension has
// several steps from one point to the next, so that r is rounded to multiples of `step` (at deviation 1), decoded
// vectors have multiples of `value`: the ratio between dimensions of few bits, whose g are too short, and those of many
// is then right on average.
//
// A code in bytes has the center 127.5 in every dimension.
#pragma once

#include <string>
#include <vector>

#include "base/parts.h"
#include "codec/rabitq/grid.h"

namespace fewbits::codec {

class Digits final : public Grid {
public:
    Digits(const Parts& parts, const std::string& prefix, std::uint32_t dim);

    std::uint32_t dim() const override { return dim_; }
    std::uint8_t middle() const override { return 128; }
    int largest() const override { return 255; }
    const float* steps() const override { return values_.data(); }
    void round(const float* r, float deviation, float* scratch, std::uint8_t* codes) const override;

    void set_layout(CodeLayout& layout) const override;
    void (*scan_kernel() const)(const kernels::Scan&) override { return kernels::active().dot_digits; }
    const std::uint8_t* levels() const override { return multiplies_.data(); }
    std::size_t table_bytes() const override { return 4 * multiplies_.size(); }
    QueryTerms terms(const float* weights, std::uint8_t* table) const override;

    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;

private:
    // Dimensions [first, last), whose codes are numbers less than 2 half.
    struct Segment {
        std::uint32_t first, last;
        std::int32_t half;
    };
    // visit(byte of the row, dimension, its shift in the byte, shift of the digit in the code) for every digit.
    template <class Visit>
    void for_digits(const Visit& visit) const;

    std::uint32_t dim_ = 0;
    std::vector<Segment> segments_;
    std::vector<std::uint32_t> quads_;      // by number of digits less 1, those that have as many or more
    std::vector<std::uint8_t> multiplies_;  // by quad and digit, high digits first: whether sums are multiplied before
    std::vector<float> inverse_steps_, values_;
};

}  // namespace fewbits::codec
