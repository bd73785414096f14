#include "transform/block_hadamard.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

class BlockHadamard final : public Transform {
public:
    BlockHadamard(std::uint32_t dim, std::uint64_t seed, std::uint32_t rounds)
        : dim_(dim), block_(std::bit_floor(dim)), rounds_(rounds), factors_(std::size_t{rounds} * dim) {
        const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(block_)));
        for (std::uint32_t r = 0; r < rounds; ++r) {
            for (std::uint32_t j = 0; j < dim; ++j) {
                const bool negative = random_bits(seed, r * std::uint64_t{65536} + j) >> 63;
                const bool mixed = j - first(r) < block_;  // j < first wraps around: not mixed
                factors_[std::size_t{r} * dim + j] = (negative ? -1.0f : 1.0f) * (mixed ? scale : 1.0f);
            }
        }
    }

    std::uint32_t in_dim() const override { return dim_; }
    std::uint32_t out_dim() const override { return dim_; }

    void apply(MatrixView x, float* y) const override {
        std::copy_n(x.data, x.size(), y);
        for (std::size_t i = 0; i < x.rows; ++i) {
            float* row = y + i * dim_;
            for (std::uint32_t r = 0; r < rounds_; ++r) {
                multiply(row, r);
                kernels::active().hadamard(row + first(r), block_);
            }
        }
    }

    void invert(MatrixView y, float* x) const override {
        std::copy_n(y.data, y.size(), x);
        for (std::size_t i = 0; i < y.rows; ++i) {
            float* row = x + i * dim_;
            for (std::uint32_t r = rounds_; r-- > 0;) {
                kernels::active().hadamard(row + first(r), block_);
                multiply(row, r);
            }
        }
    }

private:
    std::uint32_t first(std::uint32_t r) const { return r % 2 == 0 ? 0 : dim_ - block_; }

    void multiply(float* row, std::uint32_t r) const {
        const float* factors = factors_.data() + std::size_t{r} * dim_;
        for (std::uint32_t j = 0; j < dim_; ++j) row[j] *= factors[j];
    }

    std::uint32_t dim_;
    std::uint32_t block_;  // number of coordinates mixed in a round
    std::uint32_t rounds_;
    std::vector<float> factors_;  // the sign, times the scale of the Hadamard transform for mixed coordinates
};

}  // namespace

std::shared_ptr<const Transform> make_block_hadamard(const Parts& parts, std::uint32_t dim) {
    parts.param("transform.out_dim", dim, dim);
    const std::uint32_t rounds =
        parts.params.count("transform.rounds") ? static_cast<std::uint32_t>(parts.param("transform.rounds", 1, 8)) : 3;
    return std::make_shared<const BlockHadamard>(dim, parts.param("transform.seed"), rounds);
}

}  // namespace fewbits
