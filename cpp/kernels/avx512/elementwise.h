// Elementwise kernels, 16 floats at a time; tails are masked, so nothing is read out of bounds.
#pragma once

#include "kernels/avx512/primitives.h"

namespace fewbits::kernels {
namespace {

// Butterflies between lanes `half` apart; `partner` is x with these lanes exchanged, `upper` the second lane of each
// pair.
FEWBITS_INLINE __m512 butterfly(__m512 x, __m512 partner, __mmask16 upper) {
    return _mm512_mask_sub_ps(_mm512_add_ps(x, partner), upper, partner, x);
}

// The stages at distances from `half` up, where `half` is a multiple of 16.
void long_butterflies(float* x, std::size_t n, std::size_t half) {
    for (; half < n; half *= 2) {
        for (std::size_t first = 0; first < n; first += 2 * half) {
            for (float* at = x + first; at < x + first + half; at += 16) {
                const __m512 a = _mm512_loadu_ps(at), b = _mm512_loadu_ps(at + half);
                _mm512_storeu_ps(at, _mm512_add_ps(a, b));
                _mm512_storeu_ps(at + half, _mm512_sub_ps(a, b));
            }
        }
    }
}

void hadamard(float* x, std::size_t n) {
    const __mmask16 lanes = first_16(n < 16 ? static_cast<std::uint32_t>(n) : 16);
    for (std::size_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
        if (n > 1) v = butterfly(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
        if (n > 2) v = butterfly(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
        if (n > 4) v = butterfly(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
        if (n > 8) v = butterfly(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
        _mm512_mask_storeu_ps(x + i, lanes, v);
    }
    long_butterflies(x, n, 16);
}

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

// Butterflies at distances that are not multiples of 16 and not those of a whole transform, one pair of runs at a time.
void uneven_butterflies(float* x, std::size_t n, std::size_t half) {
    for (; half < n; half *= 2) {
        for (float* first = x; first < x + n; first += 2 * half) {
            each_16(half, [=](std::size_t i, __mmask16 lanes) {
                const __m512 a = _mm512_maskz_loadu_ps(lanes, first + i);
                const __m512 b = _mm512_maskz_loadu_ps(lanes, first + half + i);
                _mm512_mask_storeu_ps(first + i, lanes, _mm512_add_ps(a, b));
                _mm512_mask_storeu_ps(first + half + i, lanes, _mm512_sub_ps(a, b));
            });
        }
    }
}

void signed_hadamard(const SignedHadamard& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        const float* x = rows.x + i * rows.stride;
        float* out = rows.out + i * rows.out_stride;
        each_16(rows.dim, [=](std::size_t j, __mmask16 lanes) {
            const __m512 sign = _mm512_maskz_loadu_ps(lanes, rows.signs + j);
            _mm512_mask_storeu_ps(out + j, lanes, _mm512_mul_ps(sign, _mm512_maskz_loadu_ps(lanes, x + j)));
        });
        __builtin_memset(out + rows.dim, 0, (rows.size - rows.dim) * sizeof *out);
        if (rows.first == 1)
            hadamard(out, rows.size);
        else if (rows.first % 16 == 0)
            long_butterflies(out, rows.size, rows.first);
        else
            uneven_butterflies(out, rows.size, rows.first);
    }
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
