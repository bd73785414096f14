// Float sums along rows: the lanes are dimensions.
#pragma once

#include "kernels/neon/floats.h"

namespace fewbits::kernels {
namespace {

// Added by halves: 16 lanes to 8, 4, 2 and 1.
[[gnu::always_inline]] inline float sum_lanes(const float32x4_t (&lanes)[4]) {
    const float32x4_t four = vaddq_f32(vaddq_f32(lanes[0], lanes[2]), vaddq_f32(lanes[1], lanes[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

template <class Element, class Sum, int R>
void along_rows(const float* query, const std::uint8_t* const (&row)[R], std::size_t dim, float* out) {
    float32x4_t acc[R][4];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int l = 0; l < 4; ++l) acc[r][l] = vdupq_n_f32(0);
    const std::uint8_t* at[R];
    for (int r = 0; r < R; ++r) at[r] = row[r];
    std::size_t j = 0;
    for (; j + 16 <= dim; j += 16) {
        float32x4_t q[4];
#pragma GCC unroll 4
        for (std::size_t l = 0; l < 4; ++l) q[l] = vld1q_f32(query + j + 4 * l);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            float32x4_t x[2][2];
            Element::load_8(at[r], x[0]);
            Element::load_8(at[r] + 8 * Element::bytes, x[1]);
            at[r] += 16 * Element::bytes;
#pragma GCC unroll 4
            for (std::size_t l = 0; l < 4; ++l) acc[r][l] = Sum::step(q[l], x[l / 2][l % 2], acc[r][l]);
        }
    }
    if (j < dim) {
#pragma GCC unroll 4
        for (std::size_t l = 0; l < 4; ++l) {  // zeros that are added may turn -0 into 0, and so must all be added
            const std::size_t first = j + 4 * l < dim ? j + 4 * l : dim;
            const std::size_t count = dim - first < 4 ? dim - first : 4;
            const float32x4_t q = F32::load_first(reinterpret_cast<const std::uint8_t*>(query + first), count);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r)
                acc[r][l] = Sum::step(q, Element::load_first(row[r] + first * Element::bytes, count), acc[r][l]);
        }
    }
    for (int r = 0; r < R; ++r) out[r] = sum_lanes(acc[r]);
}

// Four rows at a time share the loads of the query, and hide the latency of sums and memory.
template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    const auto* query = static_cast<const float*>(rows.query);
    auto* out = static_cast<float*>(rows.out);
    const auto row = [&](std::size_t i) { return rows.base + (rows.rows ? rows.rows[i] : i) * rows.stride; };
    std::size_t i = 0;
    for (; i + 4 <= rows.n; i += 4)
        along_rows<Element, Sum, 4>(query, {row(i), row(i + 1), row(i + 2), row(i + 3)}, rows.dim, out + i);
    for (; i < rows.n; ++i) along_rows<Element, Sum, 1>(query, {row(i)}, rows.dim, out + i);
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
