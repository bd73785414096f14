// The last step of every scan on NEON: 32 accumulators of one query become scores, and those that qualify become hits.
// Shared by the integer scans (which convert their sums to float first) and the float scans.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/code_blocks.h"
#include "kernels/neon/runs.h"

namespace fewbits::kernels {
namespace {

// A factor of each vector of a block; zeros past them, so that nothing is read there.
struct Factors {
    Factors(const float* all, const CodeBlock& block) noexcept : at(all) {
        if (all == nullptr) return;
        at = all + block.first;
        if (block.vectors == block_size) return;
        __builtin_memset(few, 0, sizeof few);
        __builtin_memcpy(few, at, block.vectors * sizeof(float));
        at = few;
    }
    Factors(const Factors&) = delete;
    Factors& operator=(const Factors&) = delete;

    const float* at;  // null without factors
    float few[block_size];
};

// Scores of vectors 4g .. 4g + 3 of a block; lanes past its last vector hold anything.
struct Scores {
    Scores(const Scan& scan, const CodeBlock& block) noexcept : a(scan.a, block), b(scan.b, block) {}

    [[gnu::always_inline]] float32x4_t of(const ScanQuery& query, std::uint32_t g, float32x4_t acc) const noexcept {
        float32x4_t score = vaddq_f32(vmulq_f32(acc, vdupq_n_f32(query.scale)), vdupq_n_f32(query.offset));
        const std::size_t first = std::size_t{4} * g;
        if (a.at != nullptr) score = vmulq_f32(score, vld1q_f32(a.at + first));
        if (b.at != nullptr) score = vaddq_f32(score, vmulq_f32(vdupq_n_f32(query.b_scale), vld1q_f32(b.at + first)));
        return vaddq_f32(score, vdupq_n_f32(query.constant));
    }

    Factors a, b;
};

// Masks of 32 lanes as bits.
[[gnu::always_inline]] inline std::uint32_t bits_of(const uint32x4_t (&masks)[8]) noexcept {
    const auto bytes = [&](int g) noexcept {
        const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(masks[g]), vreinterpretq_u16_u32(masks[g + 1]));
        const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(masks[g + 2]), vreinterpretq_u16_u32(masks[g + 3]));
        return vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
    };
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    uint8x16_t sums = vpaddq_u8(vandq_u8(bytes(0), bit), vandq_u8(bytes(4), bit));
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u32(vreinterpretq_u32_u8(sums), 0);
}

// Appends the hits of a block to the query's.
[[maybe_unused, gnu::noinline]] void take_block(const Scan& scan, ScanQuery& query, const CodeBlock& block,
                                                const float32x4_t acc[8]) noexcept {
    const Scores scores(scan, block);
    const float32x4_t threshold = vdupq_n_f32(query.threshold);
    float32x4_t score[8];
    uint32x4_t qualifies[8];
#pragma GCC unroll 8
    for (std::uint32_t g = 0; g < 8; ++g) {
        score[g] = scores.of(query, g, acc[g]);
        qualifies[g] = vcgeq_f32(score[g], threshold);
    }
    std::uint32_t hit = bits_of(qualifies) & block.wanted;
    if (hit == 0) return;
    float values[block_size];
#pragma GCC unroll 8
    for (std::uint32_t g = 0; g < 8; ++g) vst1q_f32(values + std::size_t{4} * g, score[g]);
    for (; hit; hit &= hit - 1) {
        const auto v = static_cast<std::uint32_t>(__builtin_ctz(hit));
        query.hits[query.count++] = {scan.first_row + block.first + v, values[v]};
    }
}

// The greater of two lanes: a number, if one of them is a NaN.
[[gnu::always_inline]] inline float32x4_t greater(float32x4_t a, float32x4_t b) noexcept {
    return vmaxnmq_f32(a, b);
}

// The greatest of `top` and the scores of a block, lane by lane.
[[maybe_unused]] float32x4_t top_of_block(float32x4_t top, const Scan& scan, const ScanQuery& query,
                                          const CodeBlock& block, const float32x4_t acc[8]) noexcept {
    const Scores scores(scan, block);
    if (block.wanted == ~0u) {
#pragma GCC unroll 8
        for (std::uint32_t g = 0; g < 8; ++g) top = greater(top, scores.of(query, g, acc[g]));
        return top;
    }
    const float32x4_t lowest = vdupq_n_f32(-__builtin_inff());
    const std::uint32_t of_lanes[4] = {1, 2, 4, 8};
    const uint32x4_t bit = vld1q_u32(of_lanes);
    for (std::uint32_t g = 0; 4 * g < block.vectors; ++g) {
        const uint32x4_t taken = vtstq_u32(vdupq_n_u32(block.wanted >> (4 * g)), bit);
        top = greater(top, vbslq_f32(taken, scores.of(query, g, acc[g]), lowest));
    }
    return top;
}

// The query's threshold rises to the greatest lane.
[[maybe_unused]] void raise_to(ScanQuery& query, float32x4_t top) noexcept {
    const float best = vmaxnmvq_f32(top);
    if (best > query.threshold) query.threshold = best;
}

// The scores of a block raise the query's threshold to the best of them.
[[maybe_unused, gnu::noinline]] void raise_block(const Scan& scan, ScanQuery& query, const CodeBlock& block,
                                                 const float32x4_t acc[8]) noexcept {
    raise_to(query, top_of_block(vdupq_n_f32(-__builtin_inff()), scan, query, block, acc));
}

[[maybe_unused]] void to_floats(const Sums& sums, float32x4_t (&acc)[8]) noexcept {
    for (int g = 0; g < 8; ++g) acc[g] = vcvtq_f32_s32(sums.four[g]);
}

[[maybe_unused, gnu::noinline]] void take_sums(const Scan& scan, ScanQuery& query, const CodeBlock& block,
                                               const Sums& sums) noexcept {
    float32x4_t acc[8];
    to_floats(sums, acc);
    take_block(scan, query, block, acc);
}

}  // namespace
}  // namespace fewbits::kernels
