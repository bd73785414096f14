// Sums of products of bytes, the one thing that the dot product instructions (FEWBITS_DOTPROD, cpp/isa.cmake) change.
//
// A quad is four dimensions of 16 vectors in four registers. With dot products the four bytes of a vector are side by
// side and one instruction adds their products to a sum. Without them pairs of dimensions are side by side: two
// products are added in 16 bits, which hold them (2 * 128 * 127 < 2^15), and two neighbours of these to a sum.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

namespace fewbits::kernels {
namespace {

// Zips the rows of four dimensions.
[[gnu::always_inline]] inline void interleave(const uint8x16_t (&rows)[4], uint8x16_t* quad) noexcept {
    const uint8x16_t a = vzip1q_u8(rows[0], rows[1]), b = vzip2q_u8(rows[0], rows[1]);
    const uint8x16_t c = vzip1q_u8(rows[2], rows[3]), d = vzip2q_u8(rows[2], rows[3]);
#if defined(FEWBITS_DOTPROD)
    const auto zipped = [&](int k, uint8x16_t x, uint8x16_t y) noexcept {
        const uint16x8_t first = vreinterpretq_u16_u8(x), last = vreinterpretq_u16_u8(y);
        quad[k] = vreinterpretq_u8_u16(vzip1q_u16(first, last));
        quad[k + 1] = vreinterpretq_u8_u16(vzip2q_u16(first, last));
    };
    zipped(0, a, c);
    zipped(2, b, d);
#else
    quad[0] = a;
    quad[1] = b;
    quad[2] = c;
    quad[3] = d;
#endif
}

#if defined(FEWBITS_DOTPROD)

using QuadOfQuery = int8x16_t;

// Four bytes of a query, in every lane.
[[gnu::always_inline]] inline QuadOfQuery load_quad(const std::int8_t* query) noexcept {
    std::int32_t four;
    __builtin_memcpy(&four, query, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Two quads are 32 vectors: acc[q][k] is the sums of vectors 4k .. 4k + 3.
template <int n_queries>
[[gnu::always_inline]] inline void add_products(int32x4_t (*acc)[8], const uint8x16_t* quads,
                                                const QuadOfQuery (&query)[n_queries]) noexcept {
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
        const int8x16_t levels = vreinterpretq_s8_u8(quads[k]);
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) acc[q][k] = vdotq_s32(acc[q][k], levels, query[q]);
    }
}

#else

struct QuadOfQuery {
    int8x16_t pair[2];
};

[[gnu::always_inline]] inline QuadOfQuery load_quad(const std::int8_t* query) noexcept {
    std::int16_t pairs[2];
    __builtin_memcpy(pairs, query, sizeof pairs);
    return {{vreinterpretq_s8_s16(vdupq_n_s16(pairs[0])), vreinterpretq_s8_s16(vdupq_n_s16(pairs[1]))}};
}

template <int n_queries>
[[gnu::always_inline]] inline void add_products(int32x4_t (*acc)[8], const uint8x16_t* quads,
                                                const QuadOfQuery (&query)[n_queries]) noexcept {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {  // a register of pairs is eight vectors
        const uint8x16_t* quad = quads + k / 2 * 4 + k % 2;
        const int8x16_t first = vreinterpretq_s8_u8(quad[0]), last = vreinterpretq_s8_u8(quad[2]);
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) {
            const int8x16_t x = query[q].pair[0], y = query[q].pair[1];
            const int16x8_t low =
                vmlal_s8(vmull_s8(vget_low_s8(first), vget_low_s8(x)), vget_low_s8(last), vget_low_s8(y));
            const int16x8_t high = vmlal_high_s8(vmull_high_s8(first, x), last, y);
            acc[q][2 * k] = vpadalq_s16(acc[q][2 * k], low);
            acc[q][2 * k + 1] = vpadalq_s16(acc[q][2 * k + 1], high);
        }
    }
}

#endif

}  // namespace
}  // namespace fewbits::kernels
