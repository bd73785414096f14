#include "transform/transform.h"

#include <algorithm>

#include "base/registry.h"
#include "transform/block_hadamard.h"
#include "transform/dense.h"

namespace fewbits {
namespace {

class Identity final : public Transform {
public:
    explicit Identity(std::uint32_t dim) : dim_(dim) {}
    std::uint32_t in_dim() const override { return dim_; }
    std::uint32_t out_dim() const override { return dim_; }
    void apply(MatrixView x, float* y) const override { std::copy_n(x.data, x.size(), y); }
    void invert(MatrixView y, float* x) const override { std::copy_n(y.data, y.size(), x); }

private:
    std::uint32_t dim_;
};

std::shared_ptr<const Transform> make_identity(const Parts& parts, std::uint32_t dim) {
    parts.param("transform.out_dim", dim, dim);
    return std::make_shared<const Identity>(dim);
}

constexpr TransformKind kinds[] = {
    {0, "identity", make_identity},
    {1, "dense", make_dense},
    {2, "block_hadamard", make_block_hadamard},
    {3, "pair", make_pair_of_maps},
};

}  // namespace

std::span<const TransformKind> transform_kinds() {
    return kinds;
}

std::shared_ptr<const Transform> make_transform(const Parts& parts, std::uint32_t dim) {
    if (dim < 1 || dim > 65535) {
        corrupt("dim: got " + std::to_string(dim) + ", expected 1..65535");
    }
    return row_of(transform_kinds(), parts, "transform.kind").make(parts, dim);
}

}  // namespace fewbits
