// Linear maps that lower the dimension of a bucket and keep inner products on average: one for each repetition of an
// encoding. Each is unbiased by itself; together they are better than independent ones, because the rows of repetitions
// that follow each other are slices of one orthogonal matrix: where buckets agree, their errors cancel.
#pragma once

#include <cstdint>
#include <memory>

#include "core/matrix.h"

namespace fewbits {

enum class ProjectionKind : std::uint32_t { none = 0, dense = 1, sketch = 2 };

class Projection {
public:
    virtual ~Projection() = default;
    // Whether a token costs no more than adding it to a sum does, so that tokens are better projected than their sums.
    virtual bool of_tokens() const = 0;
    // y: x.rows x out_dim, of repetition r's map.
    virtual void apply(std::uint32_t r, MatrixView x, float* y) const = 0;
};

// none: null. dense: sqrt(dim / out_dim) times rows of random orthogonal matrices. sketch: every
// coordinate goes to one output, with a sign (a count sketch whose outputs get equally many coordinates); the signs of
// repetitions are rows of a Hadamard matrix times random ones.
std::shared_ptr<const Projection> make_projection(ProjectionKind kind, std::uint32_t dim, std::uint32_t out_dim,
                                                  std::uint32_t repetitions, std::uint64_t seed);

}  // namespace fewbits
