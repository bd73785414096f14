// The elementwise float kernels on AVX2. They compute no sums, so order is irrelevant; only rounding matters, and that
// nothing is read out of bounds.
#pragma once

#include <immintrin.h>

#include "kernels/avx2/floats.h"

namespace fewbits::kernels {
namespace {

const std::uint8_t* bytes_at(const float* x) {
    return reinterpret_cast<const std::uint8_t*>(x);
}

// --- hadamard ------------------------------------------------------------------------------------------------------

// The stages 1, 2 and 4 within a register: partner = the value at distance h, difference negated in the upper lanes.
__m256 butterflies_of_8(__m256 x) {
    const __m256 minus_1 = _mm256_setr_ps(0, -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f);
    const __m256 minus_2 = _mm256_setr_ps(0, 0, -0.0f, -0.0f, 0, 0, -0.0f, -0.0f);
    const __m256 minus_4 = _mm256_setr_ps(0, 0, 0, 0, -0.0f, -0.0f, -0.0f, -0.0f);
    x = _mm256_add_ps(_mm256_moveldup_ps(x), _mm256_xor_ps(_mm256_movehdup_ps(x), minus_1));
    x = _mm256_add_ps(_mm256_permute_ps(x, 0x44), _mm256_xor_ps(_mm256_permute_ps(x, 0xEE), minus_2));
    return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 0x00),
                         _mm256_xor_ps(_mm256_permute2f128_ps(x, x, 0x11), minus_4));
}

// The stages at distances below 8, one number at a time.
void short_butterflies(float* x, std::size_t n, std::size_t first) {
    for (std::size_t half = first; half < n; half *= 2) {
        for (std::size_t i = 0; i < n; ++i) {
            if (i / half % 2 != 0) continue;
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

// The stages `half` and 2 * half in one pass over memory.
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

// The stages at distances from `half` up, where `half` is a multiple of 8.
void long_butterflies(float* x, std::size_t n, std::size_t half) {
    for (; 4 * half <= n; half *= 4) two_butterflies(x, n, half);
    if (half < n) butterflies(x, n, half);
}

void hadamard(float* x, std::size_t n) {
    if (n < 8) return short_butterflies(x, n, 1);
    for (std::size_t i = 0; i < n; i += 8) _mm256_storeu_ps(x + i, butterflies_of_8(_mm256_loadu_ps(x + i)));
    long_butterflies(x, n, 8);
}

void signed_hadamard(const SignedHadamard& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        const float* x = rows.x + i * rows.stride;
        float* out = rows.out + i * rows.out_stride;
        std::size_t j = 0;
        for (; j + 8 <= rows.dim; j += 8)
            _mm256_storeu_ps(out + j, _mm256_mul_ps(_mm256_loadu_ps(rows.signs + j), _mm256_loadu_ps(x + j)));
        for (; j < rows.dim; ++j) out[j] = rows.signs[j] * x[j];
        __builtin_memset(out + j, 0, (rows.size - j) * sizeof *out);
        if (rows.first == 1)
            hadamard(out, rows.size);
        else if (rows.first % 8 == 0)
            long_butterflies(out, rows.size, rows.first);
        else
            short_butterflies(out, rows.size, rows.first);
    }
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

// out[i] = code(x[i]) for n floats; code() maps 8 floats at a time to 8 integers in 0..255.
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

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        const float* x = buckets.x + i * buckets.stride;
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        std::size_t j = 0;
        for (; j + 8 <= buckets.dim; j += 8)
            _mm256_storeu_ps(sum + j, _mm256_add_ps(_mm256_loadu_ps(sum + j), _mm256_loadu_ps(x + j)));
        for (; j < buckets.dim; ++j) sum[j] = sum[j] + x[j];
    }
}

}  // namespace
}  // namespace fewbits::kernels
