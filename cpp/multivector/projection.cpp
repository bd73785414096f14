#include "multivector/projection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "core/blocks.h"
#include "core/random.h"
#include "kernels/kernels.h"
#include "multivector/random_directions.h"

namespace fewbits {
namespace {

// Rows first .. end - 1 become orthonormal, in double and in order (modified Gram-Schmidt, twice: once is not enough in
// high dimensions).
void orthonormalize(std::vector<double>& rows, std::size_t dim, std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i) {
        double* x = rows.data() + i * dim;
        for (std::size_t pass = 0; pass < 2; ++pass) {
            for (std::size_t k = first; k < i; ++k) {
                const double* y = rows.data() + k * dim;
                double product = 0;
                for (std::size_t j = 0; j < dim; ++j) product += x[j] * y[j];
                for (std::size_t j = 0; j < dim; ++j) x[j] -= product * y[j];
            }
        }
        double square = 0;
        for (std::size_t j = 0; j < dim; ++j) square += x[j] * x[j];
        for (std::size_t j = 0; j < dim; ++j) x[j] /= std::sqrt(square);
    }
}

class Dense final : public Projection {
public:
    Dense(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed)
        : dim_(dim), out_dim_(out_dim) {
        const std::size_t rows = std::size_t{repetitions} * out_dim;
        std::vector<double> matrix = random_directions(rows, dim, seed);
        for (std::size_t first = 0; first < rows; first += dim)
            orthonormalize(matrix, dim, first, std::min(rows, first + dim));
        const double scale = std::sqrt(static_cast<double>(dim) / out_dim);
        std::vector<float> scaled(matrix.size());
        for (std::size_t i = 0; i < matrix.size(); ++i) scaled[i] = static_cast<float>(matrix[i] * scale);
        for (std::uint32_t r = 0; r < repetitions; ++r)
            blocks_.push_back(pack_floats({scaled.data() + std::size_t{r} * out_dim * dim, out_dim, dim}));
    }

    bool of_tokens() const override { return false; }

    void apply(std::uint32_t r, MatrixView x, float* y) const override {
        const kernels::Tile tile{x.data,   x.cols, static_cast<std::uint32_t>(x.rows), dim_, blocks_[r].data(),
                                 out_dim_, nullptr};
        kernels::active().tile_dot(tile, y, out_dim_);
    }

private:
    std::uint32_t dim_, out_dim_;
    std::vector<std::vector<float>> blocks_;
};

// Coordinate j goes to output j mod out_dim. Signs: coordinates that share an output get different rows of a Hadamard
// matrix, of which every repetition takes the next column, so that their products cancel over a cycle.
class Sketch final : public Projection {
public:
    Sketch(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed)
        : dim_(dim), out_dim_(out_dim), signs_(std::size_t{repetitions} * dim) {
        const std::uint32_t cycle = std::bit_ceil((dim + out_dim - 1) / out_dim);
        for (std::uint32_t r = 0; r < repetitions; ++r) {
            for (std::uint32_t j = 0; j < dim; ++j) {
                const std::uint64_t drawn = random_bits(seed, std::uint64_t{r / cycle} * dim + j) >> 63;
                const bool negative = (drawn + static_cast<unsigned>(std::popcount((j / out_dim) & (r % cycle)))) % 2;
                signs_[std::size_t{r} * dim + j] = negative ? -1.0f : 1.0f;
            }
        }
    }

    bool of_tokens() const override { return true; }

    void apply(std::uint32_t r, MatrixView x, float* y) const override {
        kernels::active().fold_signs({x.data, x.rows, dim_, signs_.data() + std::size_t{r} * dim_, out_dim_, y});
    }

private:
    std::uint32_t dim_, out_dim_;
    std::vector<float> signs_;
};

}  // namespace

std::shared_ptr<const Projection> make_projection(ProjectionKind kind, std::uint32_t dim, std::uint32_t out_dim,
                                                  std::uint32_t repetitions, std::uint64_t seed) {
    if (kind == ProjectionKind::dense) return std::make_shared<Dense>(dim, out_dim, repetitions, seed);
    if (kind == ProjectionKind::sketch) return std::make_shared<Sketch>(dim, out_dim, repetitions, seed);
    return nullptr;
}

}  // namespace fewbits
