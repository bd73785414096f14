// The recurrent binarizer: the signs of a vector in a learned space, then repeatedly the signs of the remaining error,
// each time with half the weight.
//
//     x = x / |x|,  b = sgn(W x),  then for t = 1 .. bits - 1:  f = B_t b / |B_t b|,  b += 2^-t sgn(R_t (x - f))
//
// with sgn(0) = +1. Every map is y = L x + O relu(I x + c), or only its linear part. If no maps are given, all of them
// are the identity. (Gan et al. 2023.)
//
// The signs form a code of `bits` bits per dimension, the first sign in the highest bit: b = 2^-(bits - 1) * level with
// the odd integer level = 2 code - (2^bits - 1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/parts.h"
#include "transform/linear.h"

namespace fewbits::codec {

class Binarizer {
public:
    // Params "<prefix>.m" (dimensions of the code), ".bits" (1..4), ".hidden" (rows of I, 0 for none); arrays ".base",
    // ".back", ".refine" for W, B, R, and for each "_in", "_bias", "_out" (B and R: one after another for all steps).
    Binarizer(const Parts& parts, const std::string& prefix, std::uint32_t dim);

    std::uint32_t dim() const { return dim_; }
    std::uint32_t m() const { return m_; }
    std::uint32_t bits() const { return bits_; }

    // All of these accept any number of rows; a row gives the same bits alone and among others.
    // W x of normalised rows: the values whose signs are coded, used for queries that are not binarised.
    void project(MatrixView x, float* out) const;
    // Codes, one byte per dimension.
    void encode(MatrixView x, std::uint8_t* codes) const;
    // Maps b to a direction in the input space, by W' or by the array "<prefix>.decoder".
    void decode(MatrixView b, float* x) const;

private:
    struct Map {
        Linear linear;
        std::optional<Linear> in, out;
        std::vector<float> bias;
        void apply(MatrixView x, float* y) const;
    };

    static Map read_map(const Parts& parts, const std::string& name, std::uint32_t step, std::uint32_t steps,
                        std::uint32_t rows, std::uint32_t cols, std::uint32_t hidden);
    void refine(std::uint32_t step, MatrixView x, MatrixView b, float* out) const;

    std::uint32_t dim_, bits_, m_;
    std::optional<Map> base_;  // none: the identity
    std::optional<Linear> decoder_;
    std::vector<Map> back_, refine_;  // one per step after the first; empty without base_
};

}  // namespace fewbits::codec
