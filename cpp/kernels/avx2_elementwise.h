// The elementwise float kernels on AVX2: no sums, so nothing to order; what counts is rounding and not reading further.
#pragma once

#include <immintrin.h>

#include "kernels/avx2_float.h"

namespace fewbits::kernels {
namespace {

const std::uint8_t* bytes_at(const float* x) {
    return reinterpret_cast<const std::uint8_t*>(x);
}

// --- hadamard ------------------------------------------------------------------------------------------------------

// The stages 1, 2 and 4 within a register: partner = the value at distance h, negated difference in the upper ones.
__m256 butterflies_of_8(__m256 x) {
    const __m256 minus_1 = _mm256_setr_ps(0, -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f);
    const __m256 minus_2 = _mm256_setr_ps(0, 0, -0.0f, -0.0f, 0, 0, -0.0f, -0.0f);
    const __m256 minus_4 = _mm256_setr_ps(0, 0, 0, 0, -0.0f, -0.0f, -0.0f, -0.0f);
    x = _mm256_add_ps(_mm256_moveldup_ps(x), _mm256_xor_ps(_mm256_movehdup_ps(x), minus_1));
    x = _mm256_add_ps(_mm256_permute_ps(x, 0x44), _mm256_xor_ps(_mm256_permute_ps(x, 0xEE), minus_2));
    return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 0x00),
                         _mm256_xor_ps(_mm256_permute2f128_ps(x, x, 0x11), minus_4));
}

void hadamard_below_8(float* x, std::size_t n) {
    for (std::size_t half = 1; half < n; half *= 2) {
        for (std::size_t i = 0; i < n; ++i) {
            if (i & half) continue;
            const float low = x[i], high = x[i + half];
            x[i] = low + high;
            x[i + half] = low - high;
        }
    }
}

// One stage: values at distance `half`.
void butterflies(float* x, std::size_t n, std::size_t half) {
    for (std::size_t first = 0; first < n; first += 2 * half) {
        for (std::size_t i = first; i < first + half; i += 8) {
            const __m256 low = _mm256_loadu_ps(x + i), high = _mm256_loadu_ps(x + i + half);
            _mm256_storeu_ps(x + i, _mm256_add_ps(low, high));
            _mm256_storeu_ps(x + i + half, _mm256_sub_ps(low, high));
        }
    }
}

// The stages `half` and 2 * half in one pass over the memory.
void two_butterflies(float* x, std::size_t n, std::size_t half) {
    for (std::size_t first = 0; first < n; first += 4 * half) {
        for (float* at = x + first; at < x + first + half; at += 8) {
            const __m256 a = _mm256_loadu_ps(at), b = _mm256_loadu_ps(at + half);
            const __m256 c = _mm256_loadu_ps(at + 2 * half), d = _mm256_loadu_ps(at + 3 * half);
            const __m256 ab = _mm256_add_ps(a, b), cd = _mm256_add_ps(c, d);
            const __m256 a_b = _mm256_sub_ps(a, b), c_d = _mm256_sub_ps(c, d);
            _mm256_storeu_ps(at, _mm256_add_ps(ab, cd));
            _mm256_storeu_ps(at + half, _mm256_add_ps(a_b, c_d));
            _mm256_storeu_ps(at + 2 * half, _mm256_sub_ps(ab, cd));
            _mm256_storeu_ps(at + 3 * half, _mm256_sub_ps(a_b, c_d));
        }
    }
}

void hadamard(float* x, std::size_t n) {
    if (n < 8) return hadamard_below_8(x, n);
    for (std::size_t i = 0; i < n; i += 8) _mm256_storeu_ps(x + i, butterflies_of_8(_mm256_loadu_ps(x + i)));
    std::size_t half = 8;
    for (; 4 * half <= n; half *= 4) two_butterflies(x, n, half);
    if (half < n) butterflies(x, n, half);
}

// --- f16 -----------------------------------------------------------------------------------------------------------

void f32_to_f16(const float* x, std::size_t n, std::uint16_t* out) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), halves);
    }
    if (i == n) return;
    const auto left = static_cast<std::uint32_t>(n - i);
    alignas(16) std::uint16_t halves[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(halves),
                    _mm256_cvtps_ph(F32::load_first(bytes_at(x + i), left), _MM_FROUND_TO_NEAREST_INT));
    __builtin_memcpy(out + i, halves, std::size_t{2} * left);
}

void f16_to_f32(const std::uint16_t* x, std::size_t n, float* out) {
    std::size_t i = 0;
    const auto* halves = reinterpret_cast<const std::uint8_t*>(x);
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, F16::load(halves + 2 * i));
    if (i == n) return;
    const auto left = static_cast<std::uint32_t>(n - i);
    _mm256_maskstore_ps(out + i, first_lanes(left), F16::load_first(halves + 2 * i, left));
}

// --- codes ---------------------------------------------------------------------------------------------------------

// 8 integers in 0..255 as 8 bytes.
std::uint64_t as_bytes(__m256i x) {
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi16(words, words)));
}

// out[i] = code(x[i]) for n floats, code() taking 8 at a time to 8 integers in 0..255.
template <class Code>
void encode(const float* x, std::size_t n, std::uint8_t* out, const Code& code) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const std::uint64_t bytes = as_bytes(code(_mm256_loadu_ps(x + i)));
        __builtin_memcpy(out + i, &bytes, 8);
    }
    if (i == n) return;
    const auto left = static_cast<std::uint32_t>(n - i);
    const std::uint64_t bytes = as_bytes(code(F32::load_first(bytes_at(x + i), left)));
    __builtin_memcpy(out + i, &bytes, left);
}

void encode_uniform(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out) {
    const __m256i origin = _mm256_cvtps_epi32(_mm256_set1_ps(low));
    encode(x, n, out, [&](__m256 value) {
        value = _mm256_mul_ps(value, _mm256_set1_ps(scale));
        value = _mm256_max_ps(value, _mm256_set1_ps(low));  // in this order a NaN becomes low
        value = _mm256_min_ps(value, _mm256_set1_ps(high));
        return _mm256_sub_epi32(_mm256_cvtps_epi32(value), origin);
    });
}

void encode_levels(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out) {
    encode(x, n, out, [&](__m256 value) {
        __m256i level = _mm256_setzero_si256();
        for (std::uint32_t e = 0; e < n_edges; ++e) {
            const __m256 reached = _mm256_cmp_ps(_mm256_broadcast_ss(edges + e), value, _CMP_LE_OQ);
            level = _mm256_sub_epi32(level, _mm256_castps_si256(reached));
        }
        return level;
    });
}

// --- folds ---------------------------------------------------------------------------------------------------------

// Outputs j .. j + lanes - 1 of one row; the last coordinates may not reach all of them.
__m256 fold_lanes(const Fold& fold, const float* row, std::size_t j, std::size_t lanes) {
    __m256 sum = _mm256_setzero_ps();
    for (std::size_t c = j; c < fold.dim; c += fold.out_dim) {
        const std::size_t left = fold.dim - c;
        const auto count = static_cast<std::uint32_t>(left < lanes ? left : lanes);
        if (count == 8) {
            sum = _mm256_fmadd_ps(_mm256_loadu_ps(fold.signs + c), _mm256_loadu_ps(row + c), sum);
        } else {
            const __m256 sign = F32::load_first(bytes_at(fold.signs + c), count);
            const __m256 more = _mm256_fmadd_ps(sign, F32::load_first(bytes_at(row + c), count), sum);
            sum = _mm256_blendv_ps(sum, more, _mm256_castsi256_ps(first_lanes(count)));
        }
    }
    return sum;
}

// Outputs j .. j + 8 * G - 1 of R rows, where every fold is whole.
template <unsigned R, unsigned G>
void fold_whole(const Fold& fold, std::size_t first, std::size_t j) {
    __m256 sums[R][G];
    for (unsigned r = 0; r < R; ++r)
        for (unsigned g = 0; g < G; ++g) sums[r][g] = _mm256_setzero_ps();
    for (std::size_t c = j; c < fold.dim; c += fold.out_dim) {
        for (unsigned g = 0; g < G; ++g) {
            const __m256 sign = _mm256_loadu_ps(fold.signs + c + std::size_t{8} * g);
            for (unsigned r = 0; r < R; ++r) {
                const float* x = fold.x + (first + r) * fold.dim + c + std::size_t{8} * g;
                sums[r][g] = _mm256_fmadd_ps(sign, _mm256_loadu_ps(x), sums[r][g]);
            }
        }
    }
    for (unsigned r = 0; r < R; ++r)
        for (unsigned g = 0; g < G; ++g)
            _mm256_storeu_ps(fold.out + (first + r) * fold.out_dim + j + std::size_t{8} * g, sums[r][g]);
}

void fold_row(const Fold& fold, std::size_t i) {
    float* out = fold.out + i * fold.out_dim;
    for (std::size_t j = 0; j < fold.out_dim; j += 8) {
        const std::size_t lanes = fold.out_dim - j < 8 ? fold.out_dim - j : 8;
        _mm256_maskstore_ps(out + j, first_lanes(static_cast<std::uint32_t>(lanes)),
                            fold_lanes(fold, fold.x + i * fold.dim, j, lanes));
    }
}

// Four rows at a time: as many chains of sums as hide an addition's latency.
void fold_signs(const Fold& fold) {
    std::size_t i = 0;
    if (fold.out_dim % 8 == 0 && fold.dim % fold.out_dim == 0) {
        for (; i + 4 <= fold.n; i += 4) {
            std::size_t j = 0;
            for (; j + 16 <= fold.out_dim; j += 16) fold_whole<4, 2>(fold, i, j);
            if (j < fold.out_dim) fold_whole<4, 1>(fold, i, j);
        }
    }
    for (; i < fold.n; ++i) fold_row(fold, i);
}

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        const float* x = buckets.x + i * buckets.dim;
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        std::size_t j = 0;
        for (; j + 8 <= buckets.dim; j += 8)
            _mm256_storeu_ps(sum + j, _mm256_add_ps(_mm256_loadu_ps(sum + j), _mm256_loadu_ps(x + j)));
        for (; j < buckets.dim; ++j) sum[j] = sum[j] + x[j];
    }
}

}  // namespace
}  // namespace fewbits::kernels
