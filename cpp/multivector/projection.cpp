#include "multivector/projection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"
#include "multivector/random_directions.h"

namespace fewbits {
namespace {

// Makes rows first .. end - 1 orthonormal, in double precision and in order (modified Gram-Schmidt, twice: once is not
// enough in high dimensions).
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

}  // namespace

DenseProjection::DenseProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions,
                                 std::uint64_t seed)
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

void DenseProjection::apply(std::uint32_t r, MatrixView x, float* y) const {
    const kernels::Tile tile{x.data,   x.cols, static_cast<std::uint32_t>(x.rows), dim_, blocks_[r].data(),
                             out_dim_, nullptr};
    kernels::active().tile_dot(tile, y, out_dim_);
}

SketchProjection::SketchProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions,
                                   std::uint64_t seed)
    : dim_(dim), out_dim_(out_dim) {
    const std::size_t cycle = std::bit_ceil((dim + out_dim - 1) / out_dim), cycles = (repetitions + cycle - 1) / cycle;
    size_ = cycle * out_dim;
    signs_.assign(cycles * size_, 1.0f);
    for (std::size_t c = 0; c < cycles; ++c)
        for (std::size_t j = 0; j < dim; ++j)
            if (random_bits(seed, c * dim + j) >> 63) signs_[c * size_ + j] = -1.0f;
}

void SketchProjection::apply(MatrixView x, float* y) const {
    for (std::size_t first = 0; first < stride(); first += size_)
        kernels::active().signed_hadamard(
            {x.data, x.rows, x.cols, dim_, signs_.data() + first, size_, out_dim_, y + first, stride()});
}

}  // namespace fewbits
