// A linear map from the input space (dim) to the codec's space (out_dim), applied once to vectors and queries: y = M x
// with orthonormal rows. Rotations preserve both metrics; projections preserve them within their subspace. A pair has a
// separate map for vectors, learnt for ranking, with its inverse.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/matrix.h"
#include "base/parts.h"

namespace fewbits {

class Transform {
public:
    virtual ~Transform() = default;
    virtual std::uint32_t in_dim() const = 0;
    virtual std::uint32_t out_dim() const = 0;
    virtual void apply(MatrixView x, float* y) const = 0;  // n x out_dim; a row gives the same bits for any n
    virtual void apply_to_queries(MatrixView q, float* y) const { apply(q, y); }
    virtual void invert(MatrixView y, float* x) const = 0;  // by the transpose, or by the inverse of a pair
};

struct TransformKind {
    std::uint64_t kind;  // param "transform.kind"
    const char* name;
    std::shared_ptr<const Transform> (*make)(const Parts& parts, std::uint32_t dim);
};
std::span<const TransformKind> transform_kinds();

// Makes the kind that param "transform.kind" selects; its other params and arrays are named "transform.*".
std::shared_ptr<const Transform> make_transform(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
