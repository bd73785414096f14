// y = M x for many x, by the float tiles: every value is a separate chain, so the bits of a vector do not depend on the
// batch.
#pragma once

#include <vector>

#include "base/matrix.h"

namespace fewbits {

class Linear {
public:
    explicit Linear(MatrixView rows);
    std::uint32_t in_dim() const { return in_; }
    std::uint32_t out_dim() const { return out_; }
    void apply(MatrixView x, float* y) const;  // y: x.rows x out_dim

private:
    std::uint32_t in_, out_;
    std::vector<float> blocks_;
};

}  // namespace fewbits
