// An embedding as input to the parts of a model.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "base/metric.h"

namespace fewbits {

struct InputSpace {
    std::uint32_t dim = 0;
    Metric metric = Metric::l2;
    std::vector<float> center;  // l2: subtracted from vectors and queries first; or empty

    // Rows as input to the parts: normalised under cosine, centered under l2. out: x itself, or memory that does not
    // overlap it.
    void enter(MatrixView x, float* out) const;
};

// Rows divided by their norms (a zero row stays zero); cosine is ip of these.
void normalize_rows(MatrixView x, float* out);

}  // namespace fewbits
