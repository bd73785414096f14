// A linear map from the input space (dim) to the codec's space (out_dim), applied once to vectors and queries:
// y = M x with orthonormal rows. Rotations keep both metrics; projections keep them within their subspace. A pair has
// a map of its own for vectors, learnt for ranking, with an inverse beside it.
#pragma once

#include <memory>

#include "base/matrix.h"
#include "base/parts.h"

namespace fewbits {

class Transform {
public:
    virtual ~Transform() = default;
    virtual std::uint32_t in_dim() const = 0;
    virtual std::uint32_t out_dim() const = 0;
    virtual void apply(MatrixView x, float* y) const = 0;  // n x out_dim; any n, row by row the same bits
    virtual void apply_to_queries(MatrixView q, float* y) const { apply(q, y); }
    virtual void invert(MatrixView y, float* x) const = 0;  // by the transpose, or a pair's inverse
};

// params "transform.kind": 0 identity; 1 dense ("transform.matrix" out_dim x dim, orthonormal rows); 2 block Hadamard
// ("transform.seed" etc.: rounds of random signs, Hadamard over power-of-two blocks, deterministic from the seed); 3
// pair (see dense.h). "transform.out_dim".
std::shared_ptr<const Transform> make_transform(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
