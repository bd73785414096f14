// Encoding for inner products: errors along the vector count `eta` times as much as errors across it (Guo et al. 2020).
// The loss couples the subspaces through the error along the vector, so codes are improved one subspace at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fewbits::codec {

// The costs of each codeword C for a vector x, of which y (x or its residual) is coded. Shapes are (m, k).
struct AnisotropicCosts {
    const float* errors;  // |y_s - C|^2 less |y_s|^2
    const float* along;   // <C, x_s> / |x|
    float target;         // <y, x> / |x|
    float weight;         // eta - 1
};

// Lowers (sum of errors) + weight * (target - sum of along)^2 by changing one code at a time, until no change helps or
// ten rounds are done.
void descend(const AnisotropicCosts& costs, std::size_t m, std::size_t k, std::uint8_t* codes);

}  // namespace fewbits::codec
