// Conversion between rows of codes (packed, low bits first) and blocks of 32 vectors (kernels.h): a block is the
// transpose of its rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "kernels/kernels.h"

namespace fewbits {

// One block of `vectors` <= 32 rows, `stride` bytes apart, of m elements of w = 4, 8, 16 or 32 bits.
void pack_block(const std::uint8_t* rows, std::size_t stride, std::uint32_t element_bits, std::uint32_t m,
                std::uint32_t vectors, std::uint8_t* block);

// Row v of a block, the inverse of pack_block.
void unpack_row(const std::uint8_t* block, std::uint32_t element_bits, std::uint32_t m, std::uint32_t vectors,
                std::uint32_t v, std::uint8_t* row);

// The position of vector v in a list of n vectors: its block, the number of vectors in that block, and its place there.
struct BlockPlace {
    const std::uint8_t* block;
    std::uint32_t vectors;
    std::uint32_t v;
};
BlockPlace place_in_list(const std::uint8_t* list, std::uint32_t element_bits, std::uint32_t m, std::size_t n,
                         std::size_t v);

// The rows of a float matrix as blocks (w = 32): the input of tiles and float scans.
std::vector<float> pack_floats(MatrixView x);

}  // namespace fewbits
