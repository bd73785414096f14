// The recurrent binarizer: a vector's sign in a learned space, then the signs of what that leaves, each of half the
// weight of the one before.
//
//     x = x / |x|,  b = sgn(W x),  then for t = 1 .. bits - 1:  f = B_t b / |B_t b|,  b += 2^-t sgn(R_t (x - f))
//
// with sgn(0) = +1. Every map is y = L x + O relu(I x + c), or its linear part alone; maps that are not given are those
// of an orthonormal W: B_t = W', R_t = W, and W itself the identity. (Gan et al. 2023.)
//
// Signs become a code of `bits` bits per dimension, the base's highest: b = 2^-(bits - 1) * level with the odd integer
// level = 2 code - (2^bits - 1).
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
    // ".back", ".refine" for W, B, R, and for each "_in", "_bias", "_out" (B and R: all steps after each other).
    Binarizer(const Parts& parts, const std::string& prefix, std::uint32_t dim);

    std::uint32_t dim() const { return dim_; }
    std::uint32_t m() const { return m_; }
    std::uint32_t bits() const { return bits_; }

    // Any number of rows, each to the same bits alone and among others.
    // W x of normalised rows: what signs are taken of, which is a query that need not be short.
    void project(MatrixView x, float* out) const;
    // Codes, a byte a dimension.
    void encode(MatrixView x, std::uint8_t* codes) const;
    // A direction back in the input space: W' b, or by the array "<prefix>.decoder".
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
    std::vector<Map> back_, refine_;  // none: by base_
};

}  // namespace fewbits::codec
