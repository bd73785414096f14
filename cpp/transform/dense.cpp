#include "transform/dense.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "transform/linear.h"

namespace fewbits {
namespace {

class Dense final : public Transform {
public:
    Dense(const Array& matrix, MatrixView rows) : owner_(matrix.owner), rows_(rows), map_(rows) {}

    std::uint32_t in_dim() const override { return map_.in_dim(); }
    std::uint32_t out_dim() const override { return map_.out_dim(); }
    void apply(MatrixView x, float* y) const override { map_.apply(x, y); }

    // Weighted rows of the matrix: the transpose needs no second copy.
    void invert(MatrixView y, float* x) const override {
        for (std::size_t i = 0; i < y.rows; ++i) {
            float* out = x + i * rows_.cols;
            std::fill_n(out, rows_.cols, 0.0f);
            for (std::size_t r = 0; r < rows_.rows; ++r) {
                const float weight = y.row(i)[r];
                const float* row = rows_.row(r);
                for (std::size_t j = 0; j < rows_.cols; ++j) out[j] += weight * row[j];
            }
        }
    }

private:
    std::shared_ptr<const void> owner_;
    MatrixView rows_;
    Linear map_;
};

class Pair final : public Transform {
public:
    Pair(MatrixView vectors, MatrixView queries, MatrixView inverse)
        : vectors_(vectors), queries_(queries), inverse_(inverse) {}

    std::uint32_t in_dim() const override { return vectors_.in_dim(); }
    std::uint32_t out_dim() const override { return vectors_.out_dim(); }
    void apply(MatrixView x, float* y) const override { vectors_.apply(x, y); }
    void apply_to_queries(MatrixView q, float* y) const override { queries_.apply(q, y); }
    void invert(MatrixView y, float* x) const override { inverse_.apply(y, x); }

private:
    Linear vectors_, queries_, inverse_;
};

// For a random v of signs, M M' v = v always holds if M' is the inverse of M (for orthonormal rows, its transpose), and
// otherwise with probability at most 1/2 per trial. This takes three products with vectors instead of one of matrices.
void require_inverse(const Transform& map, const char* wrong) {
    constexpr std::uint64_t seed = 0x0a7b0;
    constexpr std::size_t trials = 3;
    constexpr double tolerance = 0x1p-7;
    const std::size_t in = map.in_dim(), out = map.out_dim();
    std::vector<float> v(out), back(in), again(out);
    for (std::size_t trial = 0; trial < trials; ++trial) {
        for (std::size_t i = 0; i < out; ++i) v[i] = (random_bits(seed, trial * out + i) >> 63) ? 1.0f : -1.0f;
        map.invert({v.data(), 1, out}, back.data());
        map.apply({back.data(), 1, in}, again.data());
        for (std::size_t i = 0; i < out; ++i) {
            if (!(std::abs(double{again[i]} - double{v[i]}) <= tolerance)) corrupt(wrong);
        }
    }
}

}  // namespace

std::shared_ptr<const Transform> make_dense(const Parts& parts, std::uint32_t dim) {
    const auto out_dim = static_cast<std::uint32_t>(parts.param("transform.out_dim", 1, dim));
    const auto values = parts.finite("transform.matrix", checked_mul(out_dim, dim));
    auto map =
        std::make_shared<const Dense>(parts.arrays.at("transform.matrix"), MatrixView{values.data(), out_dim, dim});
    require_inverse(*map, "array 'transform.matrix': rows are not orthonormal");
    return map;
}

std::shared_ptr<const Transform> make_pair_of_maps(const Parts& parts, std::uint32_t dim) {
    const auto out_dim = static_cast<std::uint32_t>(parts.param("transform.out_dim", 1, dim));
    const auto matrix = [&](const char* name, std::uint32_t rows, std::uint32_t cols) {
        return MatrixView{parts.finite(name, checked_mul(rows, cols)).data(), rows, cols};
    };
    auto map = std::make_shared<const Pair>(matrix("transform.matrix", out_dim, dim),
                                            matrix("transform.queries", out_dim, dim),
                                            matrix("transform.inverse", dim, out_dim));
    require_inverse(*map, "array 'transform.inverse': not the inverse of 'transform.matrix'");
    return map;
}

}  // namespace fewbits
