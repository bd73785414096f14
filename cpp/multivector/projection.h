// Linear maps that lower the dimension of a bucket and keep inner products on average: one for each repetition of an
// encoding. Each is unbiased by itself; together they are better than independent ones, because the rows of repetitions
// that follow each other are slices of one orthogonal matrix: where buckets agree, their errors cancel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

enum class ProjectionKind : std::uint32_t { none = 0, dense = 1, sketch = 2 };

// sqrt(dim / out_dim) times rows of random orthogonal matrices. It costs more than a sum of tokens: for sums.
class DenseProjection {
public:
    DenseProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed);

    // y: x.rows x out_dim, of repetition r's map.
    void apply(std::uint32_t r, MatrixView x, float* y) const;

private:
    std::uint32_t dim_, out_dim_;
    std::vector<std::vector<float>> blocks_;
};

// Coordinate j goes to output j mod out_dim, with a sign: a count sketch whose outputs get equally many coordinates.
// Coordinates that share an output have different rows of a Hadamard matrix for signs (times random ones), of which
// every repetition takes the next column: so a cycle of repetitions is one transform, and cheaper than a sum of tokens.
class SketchProjection {
public:
    SketchProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed);

    // Of all repetitions, out_dim each, and what fills the last cycle.
    std::size_t stride() const noexcept { return signs_.size(); }
    void apply(MatrixView x, float* y) const;

private:
    std::uint32_t dim_, out_dim_;
    std::size_t size_;          // outputs of a cycle
    std::vector<float> signs_;  // random ones, a cycle after the other
};

}  // namespace fewbits
