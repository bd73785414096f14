#include "blocks/blocks.h"

#include <algorithm>
#include <cstring>

namespace fewbits {
namespace {

using kernels::block_size;
using kernels::run_bytes;

void pack_nibbles(const std::uint8_t* rows, std::size_t stride, std::uint32_t m, std::uint32_t vectors,
                  std::uint8_t* block) {
    const std::size_t run = run_bytes(4, vectors);
    for (std::uint32_t v = 0; v < vectors; v += 2) {
        const std::uint8_t* even = rows + v * stride;
        const std::uint8_t* odd = v + 1 < vectors ? even + stride : nullptr;
        std::uint8_t* out = block + v / 2;
        for (std::uint32_t s = 0; s < m; ++s) {
            const unsigned shift = 4 * (s & 1);
            const unsigned low = (even[s / 2] >> shift) & 15u;
            const unsigned high = odd ? (odd[s / 2] >> shift) & 15u : 0u;
            out[s * run] = static_cast<std::uint8_t>(low | (high << 4));
        }
    }
}

template <class T>
void pack_elements(const std::uint8_t* rows, std::size_t stride, std::uint32_t m, std::uint32_t vectors,
                   std::uint8_t* block) {
    for (std::uint32_t v = 0; v < vectors; ++v)
        for (std::uint32_t s = 0; s < m; ++s)
            std::memcpy(block + (std::size_t{s} * vectors + v) * sizeof(T), rows + v * stride + s * sizeof(T),
                        sizeof(T));
}

template <class T>
void unpack_elements(const std::uint8_t* block, std::uint32_t m, std::uint32_t vectors, std::uint32_t v,
                     std::uint8_t* row) {
    for (std::uint32_t s = 0; s < m; ++s)
        std::memcpy(row + s * sizeof(T), block + (std::size_t{s} * vectors + v) * sizeof(T), sizeof(T));
}

}  // namespace

void pack_block(const std::uint8_t* rows, std::size_t stride, std::uint32_t element_bits, std::uint32_t m,
                std::uint32_t vectors, std::uint8_t* block) {
    switch (element_bits) {
        case 4:
            return pack_nibbles(rows, stride, m, vectors, block);
        case 8:
            return pack_elements<std::uint8_t>(rows, stride, m, vectors, block);
        case 16:
            return pack_elements<std::uint16_t>(rows, stride, m, vectors, block);
        case 32:
            return pack_elements<std::uint32_t>(rows, stride, m, vectors, block);
        default:
            fail("element bits: got " + std::to_string(element_bits) + ", expected 4, 8, 16 or 32");
    }
}

void unpack_row(const std::uint8_t* block, std::uint32_t element_bits, std::uint32_t m, std::uint32_t vectors,
                std::uint32_t v, std::uint8_t* row) {
    switch (element_bits) {
        case 4:
            return kernels::active().extract4(block, vectors, m, v, row);
        case 8:
            return unpack_elements<std::uint8_t>(block, m, vectors, v, row);
        case 16:
            return unpack_elements<std::uint16_t>(block, m, vectors, v, row);
        case 32:
            return unpack_elements<std::uint32_t>(block, m, vectors, v, row);
        default:
            fail("element bits: got " + std::to_string(element_bits) + ", expected 4, 8, 16 or 32");
    }
}

BlockPlace place_in_list(const std::uint8_t* list, std::uint32_t element_bits, std::uint32_t m, std::size_t n,
                         std::size_t v) {
    const std::size_t first = v / block_size * block_size;
    return {list + kernels::blocks_bytes(element_bits, m, first),
            static_cast<std::uint32_t>(std::min<std::size_t>(block_size, n - first)),
            static_cast<std::uint32_t>(v - first)};
}

std::vector<float> pack_floats(MatrixView x) {
    std::vector<float> blocks(x.size());
    for (std::size_t first = 0; first < x.rows; first += block_size)
        pack_block(reinterpret_cast<const std::uint8_t*>(x.row(first)), x.cols * sizeof(float), 32,
                   static_cast<std::uint32_t>(x.cols),
                   static_cast<std::uint32_t>(std::min<std::size_t>(block_size, x.rows - first)),
                   reinterpret_cast<std::uint8_t*>(blocks.data() + first * x.cols));
    return blocks;
}

}  // namespace fewbits
