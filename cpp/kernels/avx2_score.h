// The last step of every scan on AVX2: 32 accumulators of one query become scores, and those that qualify become hits.
// Shared by the integer scans (which convert their sums to float first) and the float scans.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// All ones in the first `count` of 8 lanes (count may exceed 8).
[[maybe_unused]] __m256i first_lanes(std::uint32_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count < 8 ? count : 8)), lane);
}

// A bit for each of vectors v .. v + vectors - 1 that may be returned (vectors <= 32).
[[maybe_unused]] std::uint32_t allowed_bits(const Scan& scan, std::uint32_t v, std::uint32_t vectors) {
    const std::uint32_t all = vectors < 32 ? (1u << vectors) - 1 : ~0u;
    if (!scan.allow) return all;
    const std::size_t row = std::size_t{scan.first_row} + v;
    std::uint64_t bits;
    __builtin_memcpy(&bits, scan.allow + row / 8, sizeof bits);
    return static_cast<std::uint32_t>(bits >> (row % 8)) & all;
}

// Scores of the block of `vectors` that starts at vector v; `wanted` is allowed_bits() of it. Lanes past the block hold
// anything. Only factors of the block's own vectors are read.
[[maybe_unused]] void take_block(const Scan& scan, ScanQuery& query, std::uint32_t v, std::uint32_t vectors,
                                 std::uint32_t wanted, const __m256 acc[4]) {
    alignas(32) float scores[block_size];
    const __m256 scale = _mm256_set1_ps(query.scale);
    const __m256 offset = _mm256_set1_ps(query.offset);
    const __m256 constant = _mm256_set1_ps(query.constant);
    const __m256 threshold = _mm256_set1_ps(query.threshold);
    std::uint32_t hit = 0;
    for (std::uint32_t g = 0; g * 8 < vectors; ++g) {
        const std::uint32_t first = g * 8;
        const __m256i lanes = first_lanes(vectors - first);
        __m256 score = _mm256_add_ps(_mm256_mul_ps(acc[g], scale), offset);
        if (scan.a) score = _mm256_mul_ps(score, _mm256_maskload_ps(scan.a + v + first, lanes));
        if (scan.b) score = _mm256_add_ps(score, _mm256_maskload_ps(scan.b + v + first, lanes));
        score = _mm256_add_ps(score, constant);
        _mm256_store_ps(scores + first, score);
        const __m256 qualifies = _mm256_cmp_ps(score, threshold, _CMP_GE_OQ);
        hit |= static_cast<std::uint32_t>(_mm256_movemask_ps(qualifies)) << first;
    }
    for (hit &= wanted; hit; hit &= hit - 1) {
        const auto i = static_cast<std::uint32_t>(__builtin_ctz(hit));
        query.hits[query.count++] = {scan.first_row + v + i, scores[i]};
    }
}

}  // namespace
}  // namespace fewbits::kernels
