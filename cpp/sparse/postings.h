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
        std::uint32_t map;  // its place; none if the block is short
        std::uint16_t n;
        std::uint8_t max_code;
    };

    explicit Postings(const Rows& rows);

    std::uint32_t windows() const { return windows_; }
    std::span<const Block> blocks(std::uint32_t term) const;
    const std::uint16_t* rows(const Block& block) const { return rows_.data() + block.first; }
    const std::uint8_t* codes(const Block& block) const { return codes_.data() + block.first; }
    // Whether the code of a row can be looked up.
    bool has_map(const Block& block) const { return block.map != none; }
    // Of a row (of the window) in a block with a map; 0 if it is not in it.
    std::uint32_t code(const Block& block, std::uint32_t row) const {
        const std::size_t part = block.map * parts + row / 64;
        const std::uint64_t from_row = bits_[part] >> (row % 64);  // its lowest bit is that of the row
        return (from_row & 1) == 0 ? 0u : codes_[block.first + ends_[part] - ones(from_row)];
    }
    std::size_t bytes() const;

private:
    static constexpr std::uint32_t none = 0xffffffffu;
    static constexpr std::uint32_t long_block = window_rows / 8;  // has a map, which is 42 % of its size at most
    static constexpr std::uint32_t parts = window_rows / 64;      // of a map

    // As std::popcount, which is a call where the instruction set may lack it.
    static unsigned ones(std::uint64_t x) {
        x -= x >> 1 & 0x5555555555555555u;
        x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
        return static_cast<unsigned>(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
    }

    void make_maps();
    std::size_t place_of(std::uint32_t term) const;  // in `terms_`, or their number

    std::uint32_t windows_;
    std::vector<std::uint32_t> terms_;     // that have postings, ascending
    std::vector<std::uint32_t> place_of_;  // in `terms_`, by term; empty where terms are too far apart for that
    std::vector<std::size_t> first_blocks_;
    std::vector<Block> blocks_;
    std::vector<std::uint16_t> rows_;
    std::vector<std::uint8_t> codes_;
    std::vector<std::uint64_t> bits_;  // of the maps: which of 64 rows are in the block,
    std::vector<std::uint16_t> ends_;  // and the number of its postings up to the last of them
};

}  // namespace fewbits::sparse
