// A linear map given as a matrix with orthonormal rows: rotations (OPQ), projections (PCA, LeanVec).
#pragma once

#include <memory>

#include "transform/transform.h"

namespace fewbits {

// Reads "transform.out_dim" (1..dim) and "transform.matrix"; refuses rows that are not orthonormal.
std::shared_ptr<const Transform> make_dense(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
