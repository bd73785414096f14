// The largest 16-bit product of each point with the tokens of a set, on AVX2: two points by four groups of tokens at a
// time, whose sums stay in registers. A register holds eight tokens, with the sums of even and of odd pairs of
// dimensions apart until the end.
#pragma once

#include <cstdint>
#include <cstring>
#include <immintrin.h>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

[[gnu::always_inline]] inline __m256i quad_of(const std::int8_t* point, std::size_t j) noexcept {
    std::int32_t quad;
    std::memcpy(&quad, point + j, sizeof quad);
    return _mm256_set1_epi32(quad);
}

[[gnu::always_inline]] inline std::int16_t largest(__m256i words) noexcept {
    const __m128i eight = _mm_max_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    const __m128i flip = _mm_set1_epi16(0x7fff);  // the largest signed number becomes the least unsigned one
    const int least = _mm_extract_epi16(_mm_minpos_epu16(_mm_xor_si128(eight, flip)), 0);
    return static_cast<std::int16_t>(static_cast<std::uint16_t>(least ^ 0x7fff));
}

template <int n_points, int n_groups>
[[gnu::always_inline]] inline void raise_maxima(const MaxProducts& sets, std::uint32_t point,
                                                const std::uint8_t* groups) noexcept {
    const std::int8_t* points = sets.points + std::size_t{point} * sets.dim;
    const std::size_t stride = 8 * std::size_t{sets.dim};
    __m256i sums[n_points][n_groups];
    for (int i = 0; i < n_points; ++i)
        for (int g = 0; g < n_groups; ++g)
            sums[i][g] = _mm256_set1_epi32(static_cast<std::uint16_t>(sets.bias[point + static_cast<unsigned>(i)]));
    const std::uint8_t* at[n_groups];
    for (int g = 0; g < n_groups; ++g) at[g] = groups + static_cast<unsigned>(g) * stride;
    const std::int8_t* const last = points + (n_points - 1) * std::size_t{sets.dim};
#pragma GCC unroll 4
    for (std::size_t j = 0; j < sets.dim; j += 4) {
        __m256i tokens[n_groups];
        for (int g = 0; g < n_groups; ++g)
            tokens[g] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at[g] + 8 * j));
        for (int i = 0; i < n_points; ++i) {
            const __m256i quad = quad_of(i == 0 ? points : last, j);
            for (int g = 0; g < n_groups; ++g)
                sums[i][g] = _mm256_add_epi16(sums[i][g], _mm256_maddubs_epi16(tokens[g], quad));
        }
    }
    for (int i = 0; i < n_points; ++i) {
        __m256i best = _mm256_hadd_epi16(sums[i][0], sums[i][n_groups - 1]);
        if constexpr (n_groups == 4) best = _mm256_max_epi16(best, _mm256_hadd_epi16(sums[i][1], sums[i][2]));
        std::int16_t& out = sets.out[point + static_cast<unsigned>(i)];
        const std::int16_t found = largest(best);
        out = found > out ? found : out;
    }
}

template <int n_groups>
[[gnu::always_inline]] inline void raise_all(const MaxProducts& sets, const std::uint8_t* groups) noexcept {
    std::uint32_t i = 0;
    for (; i + 2 <= sets.n; i += 2) raise_maxima<2, n_groups>(sets, i, groups);
    if (i < sets.n) raise_maxima<1, n_groups>(sets, i, groups);
}

void max_products(const MaxProducts& sets) {
    const std::size_t stride = 8 * std::size_t{sets.dim};
    std::uint32_t g = 0;
    for (; g + 4 <= sets.groups; g += 4) raise_all<4>(sets, sets.tokens + g * stride);
    for (; g < sets.groups; ++g) raise_all<1>(sets, sets.tokens + g * stride);
}

}  // namespace
}  // namespace fewbits::kernels
