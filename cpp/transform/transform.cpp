#include "transform/transform.h"

#include <algorithm>

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

}  // namespace

std::shared_ptr<const Transform> make_transform(const Parts& parts, std::uint32_t dim) {
    if (dim < 1 || dim > 65535) {
        throw Error(ErrorKind::corrupt, "dim: got " + std::to_string(dim) + ", expected 1..65535");
    }
    switch (parts.param("transform.kind", 0, 3)) {
        case 1:
            return make_dense(parts, dim);
        case 2:
            return make_block_hadamard(parts, dim);
        case 3:
            return make_pair_of_maps(parts, dim);
        default:
            parts.param("transform.out_dim", dim, dim);
            return std::make_shared<const Identity>(dim);
    }
}

}  // namespace fewbits
