// Linear maps that reduce the dimension of buckets and preserve inner products on average, one for each repetition of
// an encoding. Each is unbiased by itself. Together they are more accurate than independent maps, because the rows of
// consecutive repetitions are slices of one orthogonal matrix: their errors cancel where buckets agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

enum class ProjectionKind : std::uint32_t { none = 0, dense = 1, sketch = 2 };

// sqrt(dim / out_dim) times rows of random orthogonal matrices. More expensive than summing tokens, so it is applied to
// the sums.
class DenseProjection {
public:
    DenseProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed);

    // Applies the map of repetition r; y: x.rows x out_dim.
    void apply(std::uint32_t r, MatrixView x, float* y) const;

private:
    std::uint32_t dim_, out_dim_;
    std::vector<std::vector<float>> blocks_;
};

// Coordinate j is added to output j mod out_dim, with a sign: a count sketch with equally many coordinates per output.
// The signs of coordinates that share an output are different rows of a Hadamard matrix (times random signs), and each
// repetition uses the next column. A cycle of repetitions is therefore one transform, cheaper than summing tokens.
class SketchProjection {
public:
    SketchProjection(std::uint32_t dim, std::uint32_t out_dim, std::uint32_t repetitions, std::uint64_t seed);

    // The number of outputs per row of x: out_dim for each repetition, padded to whole cycles.
    std::size_t stride() const noexcept { return signs_.size(); }
    void apply(MatrixView x, float* y) const;

private:
    std::uint32_t dim_, out_dim_;
    std::size_t size_;          // outputs per cycle
    std::vector<float> signs_;  // the random signs of all cycles
};

}  // namespace fewbits
