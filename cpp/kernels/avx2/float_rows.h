// Float sums along rows: the lanes are dimensions.
#pragma once

#include "kernels/avx2/floats.h"

namespace fewbits::kernels {
namespace {

// Added by halves: 16 lanes to 8, 4, 2 and 1.
float sum_lanes(__m256 low, __m256 high) {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

template <class Element, class Sum, int R>
void along_rows(const float* query, const std::uint8_t* const (&row)[R], std::uint32_t dim, float* out) {
    __m256 acc[R][2];
    for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    std::size_t j = 0;
    for (; j + 16 <= dim; j += 16) {
        const __m256 low = _mm256_loadu_ps(query + j), high = _mm256_loadu_ps(query + j + 8);
        for (int r = 0; r < R; ++r) {
            acc[r][0] = Sum::step(low, Element::load(row[r] + j * Element::bytes), acc[r][0]);
            acc[r][1] = Sum::step(high, Element::load(row[r] + (j + 8) * Element::bytes), acc[r][1]);
        }
    }
    if (j < dim) {
        const auto left = static_cast<std::uint32_t>(dim - j);
        const std::uint32_t first = left < 8 ? left : 8;
        const std::uint32_t second = left - first;
        const auto* at = reinterpret_cast<const std::uint8_t*>(query + j);
        const __m256 low = F32::load_first(at, first), high = F32::load_first(at + first * 4, second);
        for (int r = 0; r < R; ++r) {
            const std::uint8_t* x = row[r] + j * Element::bytes;
            acc[r][0] = Sum::step(low, Element::load_first(x, first), acc[r][0]);
            acc[r][1] = Sum::step(high, Element::load_first(x + first * Element::bytes, second), acc[r][1]);
        }
    }
    for (int r = 0; r < R; ++r) out[r] = sum_lanes(acc[r][0], acc[r][1]);
}

// Four rows at a time hide the latency of sums and memory; prefetching the next four was slower.
template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    const auto* query = static_cast<const float*>(rows.query);
    auto* out = static_cast<float*>(rows.out);
    const auto row = [&](std::size_t i) { return rows.base + (rows.rows ? rows.rows[i] : i) * rows.stride; };
    std::size_t i = 0;
    for (; i + 4 <= rows.n; i += 4) {
        along_rows<Element, Sum, 4>(query, {row(i), row(i + 1), row(i + 2), row(i + 3)}, rows.dim, out + i);
    }
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
