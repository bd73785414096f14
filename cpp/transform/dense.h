// Linear maps given as matrices: one with orthonormal rows (OPQ, PCA), or a pair of them for vectors and queries.
#pragma once

#include <memory>

#include "transform/transform.h"

namespace fewbits {

// Reads "transform.out_dim" (1..dim) and "transform.matrix"; rejects rows that are not orthonormal.
std::shared_ptr<const Transform> make_dense(const Parts& parts, std::uint32_t dim);

// Also reads "transform.queries" (out_dim x dim) and "transform.inverse" (dim x out_dim), which must be the inverse of
// "transform.matrix".
std::shared_ptr<const Transform> make_pair_of_maps(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
