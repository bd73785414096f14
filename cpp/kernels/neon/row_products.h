// Sums of products of 16-bit entries of a query and levels of bytes, for integer rows. With the dot product
// instructions (FEWBITS_DOTPROD, cpp/isa.cmake) an entry is two bytes, 64 * high + low, and a level is read as level -
// 128, which 128 * sum(query) makes up for: 2 instructions for 16 levels. Without them levels are widened to words: 6.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

namespace fewbits::kernels {
namespace {

#if defined(FEWBITS_DOTPROD)

struct PreparedEntries {
    int8x16_t low, high;  // |entry| <= 2047: 0 <= low < 64 and -32 <= high < 32
};

[[gnu::always_inline]] inline PreparedEntries prepare(int16x8_t first, int16x8_t last) noexcept {
    const int16x8_t low = vdupq_n_s16(63);
    return {vcombine_s8(vmovn_s16(vandq_s16(first, low)), vmovn_s16(vandq_s16(last, low))),
            vcombine_s8(vshrn_n_s16(first, 6), vshrn_n_s16(last, 6))};
}

// Levels in the form in which they are multiplied.
[[gnu::always_inline]] inline uint8x16_t flipped(uint8x16_t levels) noexcept {
    return veorq_u8(levels, vdupq_n_u8(128));
}

struct ProductSums {
    int32x4_t low = vdupq_n_s32(0), high = vdupq_n_s32(0);

    [[gnu::always_inline]] void add(uint8x16_t levels, const PreparedEntries& query) noexcept {
        low = vdotq_s32(low, vreinterpretq_s8_u8(levels), query.low);
        high = vdotq_s32(high, vreinterpretq_s8_u8(levels), query.high);
    }
    [[gnu::always_inline]] std::uint32_t total(std::int32_t sum_of_query) const noexcept {
        const int32x4_t sums = vaddq_s32(low, vshlq_n_s32(high, 6));
        return static_cast<std::uint32_t>(vaddvq_s32(sums)) + 128 * static_cast<std::uint32_t>(sum_of_query);
    }
};

#else

struct PreparedEntries {
    int16x8_t low, high;  // the first and the last eight
};

[[gnu::always_inline]] inline PreparedEntries prepare(int16x8_t first, int16x8_t last) noexcept {
    return {first, last};
}

[[gnu::always_inline]] inline uint8x16_t flipped(uint8x16_t levels) noexcept {
    return levels;
}

struct ProductSums {
    int32x4_t first = vdupq_n_s32(0), last = vdupq_n_s32(0);

    [[gnu::always_inline]] void add(uint8x16_t levels, const PreparedEntries& query) noexcept {
        const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(levels)));
        const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(levels));
        first = vmlal_s16(first, vget_low_s16(low), vget_low_s16(query.low));
        last = vmlal_high_s16(last, low, query.low);
        first = vmlal_s16(first, vget_low_s16(high), vget_low_s16(query.high));
        last = vmlal_high_s16(last, high, query.high);
    }
    [[gnu::always_inline]] std::uint32_t total(std::int32_t) const noexcept {
        return static_cast<std::uint32_t>(vaddvq_s32(vaddq_s32(first, last)));
    }
};

#endif

// `step` entries of a query in the order and form in which they are multiplied.
template <std::uint32_t step>
struct PreparedQuery {
    PreparedEntries sixteen[step / 16];

    [[gnu::always_inline]] void set(const std::int16_t* entries) noexcept {
        for (std::size_t p = 0; p < step / 16; ++p)
            sixteen[p] = prepare(vld1q_s16(entries + 16 * p), vld1q_s16(entries + 16 * p + 8));
    }
};

}  // namespace
}  // namespace fewbits::kernels
