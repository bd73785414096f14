// The largest inner product of each of many fixed points with the tokens of a set: what a regression on samples of
// tokens is fitted to, and by far the most work of it. Points and tokens are rounded to bytes whose products fit 16
// bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

// Rows rounded to integers of -63..63 times a step. A row's length is below that whose square fits 16 bits.
struct RoundedRows {
    std::vector<std::int8_t> levels;  // rows x dim
    std::vector<float> steps;         // of each row; 0 for a row of zeros
};

RoundedRows round_rows(MatrixView x);

class TokenMaxima {
public:
    // One thread's, of no content between calls.
    struct Scratch {
        std::vector<std::uint8_t> tokens;  // in the kernel's groups
        std::vector<std::int16_t> maxima;
    };

    // Points as round_rows returns them; copied.
    TokenMaxima(std::span<const std::int8_t> levels, std::span<const float> steps, std::size_t dim);

    std::size_t size() const noexcept { return steps_.size(); }

    // out: one number per point. The tokens of a set share a step, which its longest token decides.
    void find(MatrixView tokens, Scratch& scratch, float* out) const;

private:
    std::size_t dim_, padded_;  // to quads
    std::vector<std::int8_t> points_;
    std::vector<std::int16_t> bias_;
    std::vector<float> steps_;
};

}  // namespace fewbits
