// Float sums along rows, as specified: 16 lanes, then added by halves.
#pragma once

#include "kernels/scalar/floats.h"

namespace fewbits::kernels {
namespace {

// As if query and row were padded with zeros to a multiple of 16 dimensions.
template <class Element, class Sum>
float along_row(const float* query, const std::uint8_t* row, std::uint32_t dim) {
    float lanes[16] = {};
    for (std::size_t j = 0; j < (std::size_t{dim} + 15) / 16 * 16; ++j) {
        const float q = j < dim ? query[j] : 0.0f;
        const float x = j < dim ? Element::load(row + j * Element::bytes) : 0.0f;
        lanes[j % 16] = Sum::step(q, x, lanes[j % 16]);
    }
    for (std::size_t half = 8; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
    }
    return lanes[0];
}

template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        const std::size_t row = rows.rows ? rows.rows[i] : i;
        static_cast<float*>(rows.out)[i] =
            along_row<Element, Sum>(static_cast<const float*>(rows.query), rows.base + row * rows.stride, rows.dim);
    }
}

void rows_dot_f32(const Rows& rows) {
    sum_rows<F32, Dot>(rows);
}
void rows_dot_f16(const Rows& rows) {
    sum_rows<F16, Dot>(rows);
}
void rows_l2_f32(const Rows& rows) {
    sum_rows<F32, L2>(rows);
}
void rows_l2_f16(const Rows& rows) {
    sum_rows<F16, L2>(rows);
}

}  // namespace
}  // namespace fewbits::kernels
