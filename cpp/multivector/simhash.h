// The bucket of a token in each repetition of an encoding: bit i of a bucket's number is set if the token's product
// with direction i of the repetition is positive (and not subnormal). Determined by the seed alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

// gaussian: independent directions. hadamard: rows of H S H S', with Hadamard matrices H and random signs S and S',
// which in practice are as good as independent ones. Products with d of them take d log d additions.
enum class DirectionKind : std::uint32_t { gaussian = 0, hadamard = 1 };

class SimHash {
public:
    // Buffers of one thread, without content between calls.
    struct Scratch {
        std::vector<float> products;      // of some tokens with all directions
        std::vector<std::uint8_t> signs;  // of one token's products
    };

    SimHash(DirectionKind kind, std::uint32_t dim, std::uint32_t repetitions, std::uint32_t bits, std::uint64_t seed);

    // bucket: repetitions x tokens.
    void find(MatrixView tokens, Scratch& scratch, std::uint32_t* bucket) const;

private:
    void multiply(MatrixView tokens, float* products) const;

    DirectionKind kind_;
    std::uint32_t dim_, repetitions_, bits_;
    std::size_t size_ = 0;       // of a Hadamard matrix
    std::size_t stride_;         // products per token: a multiple of size_, or one per direction
    std::vector<float> values_;  // gaussian: the directions, in blocks of 32; hadamard: the signs S', S of each matrix
};

}  // namespace fewbits
