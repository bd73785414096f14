// Sparse vectors as they are stored, row by row: ascending terms, and for each a code of one byte, the value in units
// of the term's scale. Terms take two bytes where all of them fit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/parts.h"
#include "sparse/csr.h"
#include "sparse/term_weights.h"

namespace fewbits::sparse {

// By term: what a code of 1 is worth; 0 for terms that no vector has.
using Scales = std::vector<float>;

// Gives a scale to terms that have none: their largest value is to have code 255.
void learn_scales(const Csr& x, Scales& scales);

class Rows {
public:
    // Arrays "rows" (u64, n + 1), "terms" (u16 or u32) and "codes" (u8), all checked: terms have a scale.
    Rows(Parts parts, const Scales& scales);

    std::uint32_t n() const { return static_cast<std::uint32_t>(offsets_.size() - 1); }
    std::size_t begin(std::size_t row) const { return offsets_[row]; }
    std::size_t end(std::size_t row) const { return offsets_[row + 1]; }
    std::size_t size() const { return codes_.size(); }
    std::uint32_t term(std::size_t i) const { return narrow_.empty() ? wide_[i] : narrow_[i]; }
    std::uint8_t code(std::size_t i) const { return codes_[i]; }

    // The sum of weight by term times code.
    std::uint32_t dot(std::size_t row, const TermWeights& weights) const {
        return narrow_.empty() ? dot(wide_.data(), row, weights) : dot(narrow_.data(), row, weights);
    }

    void prefetch_place(std::size_t row) const { __builtin_prefetch(offsets_.data() + row); }
    void prefetch(std::size_t row) const {
        const std::size_t first = offsets_[row];
        __builtin_prefetch(codes_.data() + first);
        __builtin_prefetch(narrow_.empty() ? static_cast<const void*>(wide_.data() + first) : narrow_.data() + first);
    }

    const Parts& parts() const { return parts_; }

private:
    template <class T>
    std::uint32_t dot(const T* terms, std::size_t row, const TermWeights& weights) const {
        std::uint32_t sum = 0;
        for (std::size_t i = offsets_[row]; i < offsets_[row + 1]; ++i) sum += weights[terms[i]] * codes_[i];
        return sum;
    }

    Parts parts_;
    std::span<const std::uint64_t> offsets_;
    std::span<const std::uint16_t> narrow_;
    std::span<const std::uint32_t> wide_;
    std::span<const std::uint8_t> codes_;
};

class RowsBuilder {
public:
    void append(const Csr& x, const Scales& scales);
    void append(const Rows& rows, std::size_t row);
    Parts finish();

private:
    std::vector<std::uint64_t> offsets_{0};
    std::vector<std::uint32_t> terms_;
    std::vector<std::uint8_t> codes_;
};

}  // namespace fewbits::sparse
