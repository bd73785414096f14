// Float sums along rows: the lanes are dimensions.
#pragma once

#include "kernels/avx512/floats.h"

namespace fewbits::kernels {
namespace {

// Added by halves: 8, 4, 2, 1 lanes.
FEWBITS_INLINE float sum_by_halves(__m512 lanes) {
    const __m256 by_8 = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
    const __m128 by_4 = _mm_add_ps(_mm256_castps256_ps128(by_8), _mm256_extractf128_ps(by_8, 1));
    const __m128 by_2 = _mm_add_ps(by_4, _mm_movehl_ps(by_4, by_4));
    return _mm_cvtss_f32(_mm_add_ss(by_2, _mm_movehdup_ps(by_2)));
}

// Four rows at a time, to hide the latency of the sums.
template <class Element, class Sum, unsigned R>
FEWBITS_INLINE void some_rows(const Rows& rows, std::uint32_t first) {
    const auto* query = static_cast<const float*>(rows.query);
    const std::uint8_t* at[R];
    __m512 acc[R];
#pragma GCC unroll 4
    for (unsigned r = 0; r < R; ++r) {
        at[r] = rows.base + std::size_t{rows.rows ? rows.rows[first + r] : first + r} * rows.stride;
        acc[r] = _mm512_setzero_ps();
    }
    std::size_t j = 0;
    for (; j + 16 <= rows.dim; j += 16) {
        const __m512 q = _mm512_loadu_ps(query + j);
#pragma GCC unroll 4
        for (unsigned r = 0; r < R; ++r) acc[r] = Sum::step(q, Element::load(at[r] + j * Element::bytes), acc[r]);
    }
    if (j < rows.dim) {  // zeros are added too: the specification pads with them
        const __mmask16 lanes = first_16(rows.dim % 16);
        const __m512 q = _mm512_maskz_loadu_ps(lanes, query + j);
#pragma GCC unroll 4
        for (unsigned r = 0; r < R; ++r) {
            acc[r] = Sum::step(q, Element::load(at[r] + j * Element::bytes, lanes), acc[r]);
        }
    }
    for (unsigned r = 0; r < R; ++r) static_cast<float*>(rows.out)[first + r] = sum_by_halves(acc[r]);
}

template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    std::uint32_t i = 0;
    for (; i + 4 <= rows.n; i += 4) some_rows<Element, Sum, 4>(rows, i);
    for (; i < rows.n; ++i) some_rows<Element, Sum, 1>(rows, i);
}
constexpr RowsKernel rows_dot_f32 = sum_rows<F32, Dot>, rows_dot_f16 = sum_rows<F16, Dot>;
constexpr RowsKernel rows_l2_f32 = sum_rows<F32, L2>, rows_l2_f16 = sum_rows<F16, L2>;

}  // namespace
}  // namespace fewbits::kernels
