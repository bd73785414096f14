#include "codec/pq/codebook.h"

#include "blocks/blocks.h"
#include "codec/sums.h"

namespace fewbits::codec {

Codebook::Codebook(std::span<const float> padded, std::uint32_t m, std::uint32_t k, std::uint32_t dim)
    : m_(m), k_(k), dim_(dim) {
    const std::size_t padded_width = pq_width(m, dim);
    words_.reserve(std::size_t{k} * dim);
    blocks_.reserve(std::size_t{k} * dim);
    squared_norms_.reserve(std::size_t{m} * k);
    for (std::uint32_t s = 0; s < m; ++s) {
        for (std::size_t code = 0; code < k; ++code) {
            const float* from = padded.data() + (std::size_t{s} * k + code) * padded_width;
            words_.insert(words_.end(), from, from + width(s));
            squared_norms_.push_back(squared_norm(from, width(s)));
        }
        const std::vector<float> blocks = pack_floats({word(s, 0), k, width(s)});
        blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
    }
}

kernels::Tile Codebook::tile(std::uint32_t s, const float* vectors, std::size_t n, const float* bias) const {
    return {vectors + begin(s),
            dim_,
            static_cast<std::uint32_t>(n),
            width(s),
            blocks_.data() + std::size_t{begin(s)} * k_,
            k_,
            bias ? bias + std::size_t{s} * k_ : nullptr};
}

void Codebook::decode(const std::uint8_t* codes, float* x) const {
    for (std::uint32_t s = 0; s < m_; ++s) std::copy_n(word(s, codes[s]), width(s), x + begin(s));
}

}  // namespace fewbits::codec
