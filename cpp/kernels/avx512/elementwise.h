// Elementwise kernels, 16 floats at a time; tails are masked, so nothing is read out of bounds.
#pragma once

#include "kernels/avx512/primitives.h"

namespace fewbits::kernels {
namespace {

// body(first, lanes) for each group of 16 of the n elements.
template <class Body>
FEWBITS_INLINE void each_16(std::size_t n, const Body& body) {
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) body(i, __mmask16{0xffff});
    if (i < n) body(i, first_16(static_cast<std::uint32_t>(n - i)));
}

void f32_to_f16(const float* x, std::size_t n, std::uint16_t* out) {
    each_16(n, [=](std::size_t i, __mmask16 lanes) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
        const __m256i half = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm256_mask_storeu_epi16(out + i, lanes, half);
    });
}

void f16_to_f32(const std::uint16_t* x, std::size_t n, float* out) {
    each_16(n, [=](std::size_t i, __mmask16 lanes) {
        _mm512_mask_storeu_ps(out + i, lanes, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, x + i)));
    });
}

void encode_uniform(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out) {
    const __m512i origin = _mm512_set1_epi32(static_cast<int>(low));
    each_16(n, [=](std::size_t i, __mmask16 lanes) {
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), _mm512_set1_ps(scale));
        v = _mm512_max_ps(v, _mm512_set1_ps(low));  // a NaN becomes low: max and min return their second operand
        v = _mm512_min_ps(v, _mm512_set1_ps(high));
        const __m512i code = _mm512_sub_epi32(_mm512_cvtps_epi32(v), origin);
        _mm_mask_storeu_epi8(out + i, lanes, _mm512_cvtepi32_epi8(code));
    });
}

void encode_levels(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out) {
    each_16(n, [=](std::size_t i, __mmask16 lanes) {
        const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
        __m512i level = _mm512_setzero_si512();
        for (std::uint32_t e = 0; e < n_edges; ++e) {
            const __mmask16 reached = _mm512_cmp_ps_mask(_mm512_set1_ps(edges[e]), v, _CMP_LE_OQ);
            level = _mm512_mask_add_epi32(level, reached, level, _mm512_set1_epi32(1));
        }
        _mm_mask_storeu_epi8(out + i, lanes, _mm512_cvtepi32_epi8(level));
    });
}

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        const float* x = buckets.x + i * buckets.stride;
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        each_16(buckets.dim, [&](std::size_t j, __mmask16 lanes) {
            const __m512 more =
                _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, sum + j), _mm512_maskz_loadu_ps(lanes, x + j));
            _mm512_mask_storeu_ps(sum + j, lanes, more);
        });
    }
}

}  // namespace
}  // namespace fewbits::kernels
