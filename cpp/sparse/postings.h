// The vectors of a segment term by term, for scans. A window is 32,768 consecutive rows, so that a posting is the row
// within its window (u16) and a code (u8), and the sums of a window stay in the cache. The postings of a term in a
// window are a block, with the largest of its codes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sparse/rows.h"

namespace fewbits::sparse {

inline constexpr std::uint32_t window_rows = 1u << 15;

class Postings {
public:
    struct Block {
        std::size_t first;
        std::uint32_t window;
        std::uint32_t bits;  // place of its bitmap; none if it is short
        std::uint16_t n;
        std::uint8_t max_code;
    };

    explicit Postings(const Rows& rows);

    std::uint32_t windows() const { return windows_; }
    std::span<const Block> blocks(std::uint32_t term) const;
    const std::uint16_t* rows(const Block& block) const { return rows_.data() + block.first; }
    const std::uint8_t* codes(const Block& block) const { return codes_.data() + block.first; }
    // Whether a row (of the window) may be in the block.
    bool may_have(const Block& block, std::uint32_t row) const {
        return block.bits == none || (bits_[block.bits * (window_rows / 64) + row / 64] >> (row % 64) & 1) != 0;
    }
    std::size_t bytes() const;

private:
    static constexpr std::uint32_t none = 0xffffffffu;
    static constexpr std::uint32_t long_block = window_rows / 8;  // has a bitmap, which is a third of its size at most

    void make_bitmaps();
    std::size_t place_of(std::uint32_t term) const;  // in `terms_`, or their number

    std::uint32_t windows_;
    std::vector<std::uint32_t> terms_;     // that have postings, ascending
    std::vector<std::uint32_t> place_of_;  // in `terms_`, by term; empty where terms are too far apart for that
    std::vector<std::size_t> first_blocks_;
    std::vector<Block> blocks_;
    std::vector<std::uint16_t> rows_;
    std::vector<std::uint8_t> codes_;
    std::vector<std::uint64_t> bits_;
};

}  // namespace fewbits::sparse
