// Subtracts origins from blocks of rows before encoding, and adds them after decoding.
#pragma once

#include <cstddef>
#include <vector>

#include "base/matrix.h"
#include "codec/sums.h"

namespace fewbits::codec {

// The number of rows that are encoded or decoded together, small enough for a block of floats to stay in the cache.
inline constexpr std::size_t rows_at_once = 128;

// Rows [first, first + count) of x, less their origins if there are any (the differences are stored in `buffer`).
inline MatrixView residuals(MatrixView x, const float* origin, std::size_t first, std::size_t count,
                            std::vector<float>& buffer) {
    const MatrixView rows = x.block(first, count);
    if (!origin) return rows;
    buffer.resize(rows.size());
    const float* from = origin + first * x.cols;
    for (std::size_t i = 0; i < rows.size(); ++i) buffer[i] = rows.data[i] - from[i];
    return {buffer.data(), count, x.cols};
}

inline void add_origin(Matrix<float> x, const float* origin) {
    if (origin)
        for (std::size_t i = 0; i < x.size(); ++i) x.data[i] += origin[i];
}

// The factor b of l2 over residuals: -|origin + decoded|^2 of each row; `decoded` is overwritten.
inline void negated_norms(Matrix<float> decoded, const float* origin, float* b) {
    add_origin(decoded, origin);
    for (std::size_t i = 0; i < decoded.rows; ++i) b[i] = -squared_norm(decoded.row(i), decoded.cols);
}

}  // namespace fewbits::codec
