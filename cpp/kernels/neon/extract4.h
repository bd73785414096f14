// The nibbles of one vector of a block: they lie one run apart, so they are loaded one by one and packed 16 at a time.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// Eight bytes, `stride` apart.
[[gnu::always_inline]] inline uint8x8_t gather_bytes(const std::uint8_t* at, std::size_t stride) noexcept {
    uint8x8_t x = vdup_n_u8(at[0]);
    x = vld1_lane_u8(at + stride, x, 1);
    x = vld1_lane_u8(at + 2 * stride, x, 2);
    x = vld1_lane_u8(at + 3 * stride, x, 3);
    x = vld1_lane_u8(at + 4 * stride, x, 4);
    x = vld1_lane_u8(at + 5 * stride, x, 5);
    x = vld1_lane_u8(at + 6 * stride, x, 6);
    return vld1_lane_u8(at + 7 * stride, x, 7);
}

void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
              std::uint8_t* out) noexcept {
    const std::size_t stride = run_bytes(4, vectors);
    const std::uint8_t* at = block + v / 2;
    const std::uint32_t shift = v % 2 * 4;
    const int8x8_t down = vdup_n_s8(static_cast<std::int8_t>(shift == 0 ? 0 : -4));
    std::uint32_t s = 0;
    for (; s + 16 <= m; s += 16, at += 16 * stride) {
        const uint8x8_t low = vshl_u8(gather_bytes(at, 2 * stride), down);
        const uint8x8_t high = vshl_u8(gather_bytes(at + stride, 2 * stride), down);
        vst1_u8(out + s / 2, vsli_n_u8(low, high, 4));
    }
    for (; s < m; s += 2, at += 2 * stride) {
        const std::uint32_t low = at[0] >> shift & 15u, high = s + 1 < m ? at[stride] >> shift & 15u : 0;
        out[s / 2] = static_cast<std::uint8_t>(low | high << 4);
    }
}

}  // namespace
}  // namespace fewbits::kernels
