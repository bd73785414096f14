#include "codec/code_set.h"

#include <algorithm>

#include "blocks/blocks.h"

namespace fewbits {

std::size_t code_set_bytes(const CodeLayout& layout, std::size_t n) {
    return checked_add(kernels::blocks_bytes(layout.element_bits, layout.elements, n),
                       checked_mul(n, layout.rest_bytes));
}

void pack_code_set(const CodeLayout& layout, const std::uint8_t* rows, std::size_t n, std::uint8_t* codes) {
    const std::size_t stride = layout.row_bytes();
    for (std::size_t first = 0; first < n; first += kernels::block_size) {
        const auto vectors = static_cast<std::uint32_t>(std::min<std::size_t>(kernels::block_size, n - first));
        pack_block(rows + first * stride, stride, layout.element_bits, layout.elements, vectors, codes);
        codes += kernels::blocks_bytes(layout.element_bits, layout.elements, vectors);
    }
    for (std::size_t i = 0; i < n; ++i)
        codes = std::copy_n(rows + i * stride + layout.block_part_bytes(), layout.rest_bytes, codes);
}

void unpack_code_set(const CodeLayout& layout, const CodeSet& set, std::uint8_t* rows) {
    const std::uint8_t* rest = set.codes + kernels::blocks_bytes(layout.element_bits, layout.elements, set.n);
    for (std::size_t i = 0; i < set.n; ++i, rows += layout.row_bytes(), rest += layout.rest_bytes) {
        const BlockPlace place = place_in_list(set.codes, layout.element_bits, layout.elements, set.n, i);
        unpack_row(place.block, layout.element_bits, layout.elements, place.vectors, place.v, rows);
        std::copy_n(rest, layout.rest_bytes, rows + layout.block_part_bytes());
    }
}

}  // namespace fewbits
