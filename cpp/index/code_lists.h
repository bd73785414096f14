// Coded entries in lists: code blocks list by list, and what is kept per entry. Entries are numbered in list order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/parts.h"
#include "codec/codec.h"

namespace fewbits {

class CodeLists {
public:
    CodeLists() = default;
    // Arrays "lists", "codes", "rest", "a", "b", "stage" (docs/format.md); every length is checked.
    CodeLists(const CodeLayout& layout, const Parts& parts, std::uint32_t nlist, std::uint32_t n);

    std::uint32_t n() const { return n_; }
    std::uint32_t list_size(std::uint32_t list) const {
        return static_cast<std::uint32_t>(lists_[list + 1] - lists_[list]);
    }
    std::uint32_t first_row(std::uint32_t list) const { return static_cast<std::uint32_t>(lists_[list]); }
    std::uint32_t list_of(std::uint32_t row) const;
    const std::uint8_t* list_codes(std::uint32_t list) const { return codes_.data() + code_offsets_[list]; }
    const float* a() const { return a_.empty() ? nullptr : a_.data(); }
    const float* b() const { return b_.empty() ? nullptr : b_.data(); }
    // Factor a of the first stage, where it has its own.
    const float* stage() const { return stage_.empty() ? nullptr : stage_.data(); }
    StoredFactors factors() const { return {a(), b(), stage()}; }
    // The rests of staged codes, and the factor of the whole codes, from a row on.
    RowCodes rest(std::uint32_t rest_bytes, std::uint32_t row) const {
        return {rest_.data() + std::size_t{row} * rest_bytes, rest_bytes, a() ? a() + row : nullptr, nullptr};
    }
    const std::uint8_t* rest_rows() const { return rest_.data(); }

    // A row's code in row form, as the codec encoded it.
    void code(const CodeLayout& layout, std::uint32_t row, std::uint8_t* out) const;
    // The part of it that blocks hold.
    void block_part(const CodeLayout& layout, std::uint32_t row, std::uint8_t* out) const;

private:
    std::uint32_t n_ = 0;
    std::span<const std::uint64_t> lists_;  // nlist + 1 first rows
    std::vector<std::size_t> code_offsets_;
    std::span<const std::uint8_t> codes_, rest_;
    std::span<const float> a_, b_, stage_;
};

}  // namespace fewbits
