#include "index/input_space.h"

#include <algorithm>
#include <cmath>

#include "base/norm.h"

namespace fewbits {

void InputSpace::enter(MatrixView x, float* out) const {
    if (metric == Metric::cosine) return normalize_rows(x, out);
    if (out != x.data) std::copy_n(x.data, x.size(), out);
    for (std::size_t i = 0; i < x.rows && !center.empty(); ++i)
        for (std::size_t j = 0; j < x.cols; ++j) out[i * x.cols + j] -= center[j];
}

void normalize_rows(MatrixView x, float* out) {
    for (std::size_t i = 0; i < x.rows; ++i) {
        const float* row = x.row(i);
        const double squares = squared_length(row, x.cols);
        const auto inverse = squares > 0 ? 1.0 / std::sqrt(squares) : 0.0;
        for (std::size_t j = 0; j < x.cols; ++j) out[i * x.cols + j] = static_cast<float>(row[j] * inverse);
    }
}

}  // namespace fewbits
