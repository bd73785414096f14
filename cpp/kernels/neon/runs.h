// Loads, lookups and sums of blocks for NEON.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/code_blocks.h"

namespace fewbits::kernels {
namespace {

[[maybe_unused]] uint8x16_t load128(const void* p) noexcept {
    return vld1q_u8(static_cast<const std::uint8_t*>(p));
}

[[gnu::always_inline]] inline uint8x16x4_t load512(const std::uint8_t* at) noexcept {
    return vld1q_u8_x4(at);
}

// 16 bytes looked up in 64 * parts: a lookup leaves lanes alone whose index is beyond its 64 bytes.
template <int parts>
[[gnu::always_inline]] inline uint8x16_t look_up(const uint8x16x4_t (&table)[parts], uint8x16_t codes) noexcept {
    uint8x16_t out = vqtbl4q_u8(table[0], codes);
#pragma GCC unroll 4
    for (int i = 1; i < parts; ++i) {
        codes = vsubq_u8(codes, vdupq_n_u8(64));
        out = vqtbx4q_u8(out, table[i], codes);
    }
    return out;
}

// One int32 per vector of a block, in natural order.
struct Sums {
    int32x4_t four[8];
};

[[maybe_unused]] void add(Sums& sums, const Sums& more) noexcept {
    for (int g = 0; g < 8; ++g) sums.four[g] = vaddq_s32(sums.four[g], more.four[g]);
}

}  // namespace
}  // namespace fewbits::kernels
