// The codewords of a product quantizer in two layouts: rows (for decoding) and blocks (for kernels).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/pq/train.h"
#include "kernels/kernels.h"

namespace fewbits::codec {

class Codebook {
public:
    // padded: (m, k, pq_width(m, dim)); the padding of narrower subspaces is not read.
    Codebook(std::span<const float> padded, std::uint32_t m, std::uint32_t k, std::uint32_t dim);

    std::uint32_t m() const { return m_; }
    std::uint32_t k() const { return k_; }
    std::uint32_t begin(std::uint32_t s) const { return pq_begin(s, m_, dim_); }
    std::uint32_t width(std::uint32_t s) const { return begin(s + 1) - begin(s); }
    const float* word(std::uint32_t s, std::uint32_t code) const {
        return words_.data() + std::size_t{begin(s)} * k_ + std::size_t{code} * width(s);
    }
    std::span<const float> squared_norms() const { return squared_norms_; }  // (m, k)

    // Subspace s of n vectors of dim floats, against its codewords; bias: (m, k), or null.
    kernels::Tile tile(std::uint32_t s, const float* vectors, std::size_t n, const float* bias) const;
    void decode(const std::uint8_t* codes, float* x) const;  // m codes, one byte each

private:
    std::uint32_t m_, k_, dim_;
    std::vector<float> words_, blocks_, squared_norms_;
};

}  // namespace fewbits::codec
