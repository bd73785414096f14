// Features of tokens: the tokens themselves, or GELU units with fixed random weights, with the same bits on every
// machine.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

class TokenFeatures {
public:
    // weights: features x dim, bias: one per feature; none of either: the tokens are their own features.
    TokenFeatures(MatrixView weights, std::span<const float> bias, std::size_t dim);

    std::size_t size() const noexcept { return bias_.empty() ? dim_ : bias_.size(); }
    // out: tokens x size().
    void find(MatrixView tokens, float* out) const;
    // out: their sum over the tokens, in order. scratch has no content between calls.
    void sum(MatrixView tokens, std::vector<float>& scratch, float* out) const;

private:
    std::size_t dim_;
    std::vector<float> blocks_;
    std::vector<float> bias_;
};

}  // namespace fewbits
