#include "multivector/features.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "blocks/blocks.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

constexpr std::size_t tokens_at_once = 32;

// e^x for |x| <= 80 to about 2^-22: 2^k times a polynomial of the fraction, in operations that round alike everywhere.
inline float exponential(float x) {
    constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to an integer
    const float t = x * 1.44269504f;
    const float k = (t + to_integer) - to_integer;
    const float r = (t - k) * 0.693147181f;
    const float p = 1.0f + r * (1.0f + r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120)))));
    return p * std::bit_cast<float>((static_cast<std::int32_t>(k) + 127) << 23);
}

// x times the logistic function of 1.702 x (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
inline float gelu(float x) {
    const float t = std::clamp(-1.702f * x, -80.0f, 80.0f);
    return x / (1.0f + exponential(t));
}

}  // namespace

TokenFeatures::TokenFeatures(MatrixView weights, std::span<const float> bias, std::size_t dim)
    : dim_(dim), bias_(bias.begin(), bias.end()) {
    if (!bias.empty()) blocks_ = pack_floats(weights);
}

void TokenFeatures::find(MatrixView tokens, float* out) const {
    if (bias_.empty()) {
        std::copy_n(tokens.data, tokens.size(), out);
        return;
    }
    const kernels::Tile tile{tokens.data,
                             tokens.cols,
                             static_cast<std::uint32_t>(tokens.rows),
                             static_cast<std::uint32_t>(dim_),
                             blocks_.data(),
                             static_cast<std::uint32_t>(size()),
                             bias_.data()};
    kernels::active().tile_dot(tile, out, size());
    for (std::size_t i = 0; i < tokens.rows * size(); ++i) out[i] = gelu(out[i]);
}

void TokenFeatures::sum(MatrixView tokens, std::vector<float>& scratch, float* out) const {
    scratch.resize(tokens_at_once * size());
    std::fill_n(out, size(), 0.0f);
    for (std::size_t begin = 0; begin < tokens.rows; begin += tokens_at_once) {
        const MatrixView some = tokens.block(begin, std::min(tokens_at_once, tokens.rows - begin));
        find(some, scratch.data());
        for (std::size_t t = 0; t < some.rows; ++t)
            for (std::size_t j = 0; j < size(); ++j) out[j] += scratch[t * size() + j];
    }
}

}  // namespace fewbits
