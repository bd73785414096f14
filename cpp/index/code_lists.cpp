#include "index/code_lists.h"

#include <algorithm>
#include <string>

#include "blocks/blocks.h"

namespace fewbits {
namespace {

void check_lists(std::span<const std::uint64_t> lists, std::uint64_t n) {
    if (lists.front() != 0 || lists.back() != n || !std::is_sorted(lists.begin(), lists.end()))
        throw Error(ErrorKind::corrupt,
                    "array 'lists': expected ascending row numbers from 0 to n = " + std::to_string(n));
}

}  // namespace

CodeLists::CodeLists(const CodeLayout& layout, const Parts& parts, std::uint32_t nlist, std::uint32_t n)
    : n_(n), code_offsets_(std::size_t{nlist} + 1) {
    lists_ = parts.array<std::uint64_t>("lists", std::size_t{nlist} + 1);
    check_lists(lists_, n);
    for (std::uint32_t list = 0; list < nlist; ++list)
        code_offsets_[list + 1] = checked_add(
            code_offsets_[list], kernels::blocks_bytes(layout.element_bits, layout.elements, list_size(list)));
    codes_ = parts.array<std::uint8_t>("codes", code_offsets_.back());
    rest_ = parts.array<std::uint8_t>("rest", checked_mul(n, layout.rest_bytes));
    a_ = parts.array<float>("a", layout.has_a ? n : 0);
    b_ = parts.array<float>("b", layout.has_b ? n : 0);
    stage_ = parts.array<float>("stage", layout.has_stage ? n : 0);
}

std::uint32_t CodeLists::list_of(std::uint32_t row) const {
    std::size_t list = 0;  // halves of the lists, without branches: which half is unpredictable
    for (std::size_t left = lists_.size(); left > 1;) {
        const std::size_t half = left / 2;
        list += lists_[list + half] <= row ? half : 0;
        left -= half;
    }
    return static_cast<std::uint32_t>(list);
}

void CodeLists::block_part(const CodeLayout& layout, std::uint32_t row, std::uint8_t* out) const {
    const std::uint32_t list = list_of(row);
    const BlockPlace place =
        place_in_list(list_codes(list), layout.element_bits, layout.elements, list_size(list), row - first_row(list));
    unpack_row(place.block, layout.element_bits, layout.elements, place.vectors, place.v, out);
}

void CodeLists::code(const CodeLayout& layout, std::uint32_t row, std::uint8_t* out) const {
    block_part(layout, row, out);
    std::copy_n(rest_.data() + std::size_t{row} * layout.rest_bytes, layout.rest_bytes,
                out + layout.block_part_bytes());
}

}  // namespace fewbits
