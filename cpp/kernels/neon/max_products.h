// The largest 16-bit product of each point with the tokens of a set, on NEON: some points by some groups of tokens at a
// time, whose sums stay in registers. With dot products (FEWBITS_DOTPROD) a token is one 32-bit lane, whose lower half
// is the sum modulo 2^16; without them it is four 16-bit lanes until the end.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// Sums of the eight tokens of a group.
#if defined(FEWBITS_DOTPROD)

constexpr int points_at_once = 2, groups_at_once = 4;

struct GroupSums {
    int32x4_t sums[2];

    [[gnu::always_inline]] void clear() noexcept { sums[0] = sums[1] = vdupq_n_s32(0); }
    [[gnu::always_inline]] void add(const int8x16_t (&tokens)[2], int8x16_t quad) noexcept {
        sums[0] = vdotq_s32(sums[0], tokens[0], quad);
        sums[1] = vdotq_s32(sums[1], tokens[1], quad);
    }
    [[gnu::always_inline]] int16x8_t total() const noexcept {
        return vuzp1q_s16(vreinterpretq_s16_s32(sums[0]), vreinterpretq_s16_s32(sums[1]));
    }
};

#else

constexpr int points_at_once = 3, groups_at_once = 2;

struct GroupSums {
    int16x8_t sums[4];

    [[gnu::always_inline]] void clear() noexcept { sums[0] = sums[1] = sums[2] = sums[3] = vdupq_n_s16(0); }
    [[gnu::always_inline]] void add(const int8x16_t (&tokens)[2], int8x16_t quad) noexcept {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
            sums[2 * h] = vmlal_s8(sums[2 * h], vget_low_s8(tokens[h]), vget_low_s8(quad));
            sums[2 * h + 1] = vmlal_high_s8(sums[2 * h + 1], tokens[h], quad);
        }
    }
    [[gnu::always_inline]] int16x8_t total() const noexcept {
        return vpaddq_s16(vpaddq_s16(sums[0], sums[1]), vpaddq_s16(sums[2], sums[3]));
    }
};

#endif

// Four dimensions, which of each point are one lane; tokens[g] is at those of a group, and moves to the next.
template <int lane, int n_points, int n_groups>
[[gnu::always_inline]] inline void add_quad(GroupSums (&sums)[n_points][n_groups], const int32x4_t (&quads)[n_points],
                                            const std::uint8_t* (&tokens)[n_groups]) noexcept {
    int8x16_t quad[n_points];
#pragma GCC unroll 3
    for (int i = 0; i < n_points; ++i) quad[i] = vreinterpretq_s8_s32(vdupq_laneq_s32(quads[i], lane));
#pragma GCC unroll 4
    for (int g = 0; g < n_groups; ++g) {
        const int8x16_t eight[2] = {vreinterpretq_s8_u8(vld1q_u8(tokens[g])),
                                    vreinterpretq_s8_u8(vld1q_u8(tokens[g] + 16))};
        tokens[g] += 32;
#pragma GCC unroll 3
        for (int i = 0; i < n_points; ++i) sums[i][g].add(eight, quad[i]);
    }
}

template <int n_points, int n_groups>
[[gnu::always_inline]] inline void raise_maxima(const MaxProducts& sets, std::uint32_t point,
                                                const std::uint8_t* groups) noexcept {
    const std::size_t stride = 8 * std::size_t{sets.dim};
    GroupSums sums[n_points][n_groups];
    const std::int8_t* points[n_points];
    const std::uint8_t* tokens[n_groups];
    for (int g = 0; g < n_groups; ++g) tokens[g] = groups + static_cast<unsigned>(g) * stride;
#pragma GCC unroll 3
    for (int i = 0; i < n_points; ++i) {
        points[i] = sets.points + (point + static_cast<unsigned>(i)) * std::size_t{sets.dim};
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; ++g) sums[i][g].clear();
    }
    std::size_t j = 0;
    int32x4_t quads[n_points];
    for (; j + 16 <= sets.dim; j += 16) {
#pragma GCC unroll 3
        for (int i = 0; i < n_points; ++i) quads[i] = vld1q_s32(reinterpret_cast<const std::int32_t*>(points[i] + j));
        add_quad<0>(sums, quads, tokens);
        add_quad<1>(sums, quads, tokens);
        add_quad<2>(sums, quads, tokens);
        add_quad<3>(sums, quads, tokens);
    }
    for (; j < sets.dim; j += 4) {
#pragma GCC unroll 3
        for (int i = 0; i < n_points; ++i)
            quads[i] = vld1q_dup_s32(reinterpret_cast<const std::int32_t*>(points[i] + j));
        add_quad<0>(sums, quads, tokens);
    }
#pragma GCC unroll 3
    for (int i = 0; i < n_points; ++i) {
        const int16x8_t bias = vdupq_n_s16(sets.bias[point + static_cast<unsigned>(i)]);
        int16x8_t best = vaddq_s16(sums[i][0].total(), bias);
#pragma GCC unroll 4
        for (int g = 1; g < n_groups; ++g) best = vmaxq_s16(best, vaddq_s16(sums[i][g].total(), bias));
        std::int16_t& out = sets.out[point + static_cast<unsigned>(i)];
        const std::int16_t found = vmaxvq_s16(best);
        out = found > out ? found : out;
    }
}

template <int n_groups>
[[gnu::always_inline]] inline void raise_all(const MaxProducts& sets, const std::uint8_t* groups) noexcept {
    std::uint32_t i = 0;
    for (; i + points_at_once <= sets.n; i += points_at_once) raise_maxima<points_at_once, n_groups>(sets, i, groups);
    for (; i < sets.n; ++i) raise_maxima<1, n_groups>(sets, i, groups);
}

void max_products(const MaxProducts& sets) {
    const std::size_t stride = 8 * std::size_t{sets.dim};
    std::uint32_t g = 0;
    for (; g + groups_at_once <= sets.groups; g += groups_at_once)
        raise_all<groups_at_once>(sets, sets.tokens + g * stride);
    for (; g < sets.groups; ++g) raise_all<1>(sets, sets.tokens + g * stride);
}

}  // namespace
}  // namespace fewbits::kernels
