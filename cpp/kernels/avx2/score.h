// The last step of every scan on AVX2: 32 accumulators of one query become scores, and those that qualify become hits.
// Shared by the integer scans (which convert their sums to float first) and the float scans.
#pragma once

#include <immintrin.h>

#include "kernels/code_blocks.h"

namespace fewbits::kernels {
namespace {

// All ones in the first `count` of 8 lanes (count may exceed 8).
[[maybe_unused]] __m256i first_lanes(std::uint32_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count < 8 ? count : 8)), lane);
}

// Scores of vectors first .. first + 7 of the block that starts at vector v. Only factors of the block's own vectors
// are read; lanes past them hold anything.
template <bool whole>
[[gnu::always_inline]] inline __m256 scores_of(const Scan& scan, const ScanQuery& query, std::uint32_t v,
                                               std::uint32_t first, std::uint32_t vectors, __m256 acc) {
    const auto factors = [&](const float* all) {
        const float* at = all + v + first;
        return whole ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, first_lanes(vectors - first));
    };
    __m256 score = _mm256_add_ps(_mm256_mul_ps(acc, _mm256_set1_ps(query.scale)), _mm256_set1_ps(query.offset));
    if (scan.a) score = _mm256_mul_ps(score, factors(scan.a));
    if (scan.b) score = _mm256_add_ps(score, _mm256_mul_ps(_mm256_set1_ps(query.b_scale), factors(scan.b)));
    return _mm256_add_ps(score, _mm256_set1_ps(query.constant));
}

// Scores of the block of `vectors` that starts at vector v, and a bit for each that meets the threshold.
template <bool whole>
[[gnu::always_inline]] inline std::uint32_t score_block(const Scan& scan, const ScanQuery& query, std::uint32_t v,
                                                        std::uint32_t vectors, const __m256 acc[4], float* scores) {
    const __m256 threshold = _mm256_set1_ps(query.threshold);
    std::uint32_t hit = 0;
#pragma GCC unroll 4
    for (std::uint32_t first = 0; first < (whole ? block_size : vectors); first += 8) {
        const __m256 score = scores_of<whole>(scan, query, v, first, vectors, acc[first / 8]);
        _mm256_store_ps(scores + first, score);
        const __m256 qualifies = _mm256_cmp_ps(score, threshold, _CMP_GE_OQ);
        hit |= static_cast<std::uint32_t>(_mm256_movemask_ps(qualifies)) << first;
    }
    return hit;
}

// `wanted` is allowed_bits() of the block. Lanes past it hold anything.
[[maybe_unused]] void take_block(const Scan& scan, ScanQuery& query, std::uint32_t v, std::uint32_t vectors,
                                 std::uint32_t wanted, const __m256 acc[4]) {
    alignas(32) float scores[block_size];
    std::uint32_t hit = vectors == block_size ? score_block<true>(scan, query, v, vectors, acc, scores)
                                              : score_block<false>(scan, query, v, vectors, acc, scores);
    for (hit &= wanted; hit; hit &= hit - 1) {
        const auto i = static_cast<std::uint32_t>(__builtin_ctz(hit));
        query.hits[query.count++] = {scan.first_row + v + i, scores[i]};
    }
}

// The greatest of `top` and the same scores, lane by lane.
inline __m256 top_of_block(__m256 top, const Scan& scan, const ScanQuery& query, std::uint32_t v, std::uint32_t vectors,
                           std::uint32_t wanted, const __m256 acc[4]) {
    // Of max(value, top) the order matters: a NaN leaves top as it is.
    if (wanted == ~0u) {
#pragma GCC unroll 4
        for (std::uint32_t first = 0; first < block_size; first += 8)
            top = _mm256_max_ps(scores_of<true>(scan, query, v, first, vectors, acc[first / 8]), top);
        return top;
    }
    const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    for (std::uint32_t first = 0; first < vectors; first += 8) {
        const __m256 score = scores_of<false>(scan, query, v, first, vectors, acc[first / 8]);
        const __m256i bits = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(wanted >> first)), bit);
        const __m256 taken = _mm256_castsi256_ps(_mm256_cmpeq_epi32(bits, bit));
        top = _mm256_max_ps(_mm256_blendv_ps(lowest, score, taken), top);
    }
    return top;
}

// The query's threshold rises to the greatest lane.
inline void raise_to(ScanQuery& query, __m256 top) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(top), _mm256_extractf128_ps(top, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    const float best = _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
    if (best > query.threshold) query.threshold = best;
}

// The same scores raise the query's threshold to the best of them.
[[maybe_unused, gnu::noinline]] void raise_block(const Scan& scan, ScanQuery& query, std::uint32_t v,
                                                 std::uint32_t vectors, std::uint32_t wanted, const __m256 acc[4]) {
    const __m256 none = _mm256_set1_ps(-__builtin_inff());
    raise_to(query, top_of_block(none, scan, query, v, vectors, wanted, acc));
}

}  // namespace
}  // namespace fewbits::kernels
