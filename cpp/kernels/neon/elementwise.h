// The elementwise float kernels on NEON. They compute no sums, so order is irrelevant; only rounding matters, and that
// nothing is read out of bounds.
#pragma once

#include <arm_neon.h>

#include "kernels/neon/floats.h"

namespace fewbits::kernels {
namespace {

// --- hadamard ------------------------------------------------------------------------------------------------------

// The stages 1, 2 and 4 of 8 numbers. A stage takes sums and differences of the even and the odd lanes; after two of
// them, pairs of lanes are back in order.
[[gnu::always_inline]] inline void butterflies_of_8(float* x) {
    const float32x4_t a = vld1q_f32(x), b = vld1q_f32(x + 4);
    const float32x4_t even = vuzp1q_f32(a, b), odd = vuzp2q_f32(a, b);
    const float32x4_t sum = vaddq_f32(even, odd), difference = vsubq_f32(even, odd);
    const float32x4_t first = vuzp1q_f32(sum, difference), last = vuzp2q_f32(sum, difference);
    const float32x4_t both = vaddq_f32(first, last), apart = vsubq_f32(first, last);
    const float32x4_t low = vuzp1q_f32(both, apart), high = vuzp2q_f32(both, apart);
    vst1q_f32(x, vaddq_f32(low, high));
    vst1q_f32(x + 4, vsubq_f32(low, high));
}

// The stages at distances below 4, one number at a time.
[[maybe_unused]] void short_butterflies(float* x, std::size_t n, std::size_t first) {
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
[[maybe_unused]] void butterflies(float* x, std::size_t n, std::size_t half) {
    for (std::size_t first = 0; first < n; first += 2 * half) {
        for (std::size_t i = first; i < first + half; i += 4) {
            const float32x4_t low = vld1q_f32(x + i), high = vld1q_f32(x + i + half);
            vst1q_f32(x + i, vaddq_f32(low, high));
            vst1q_f32(x + i + half, vsubq_f32(low, high));
        }
    }
}

// The stages `half` and 2 * half in one pass over memory.
[[maybe_unused]] void two_butterflies(float* x, std::size_t n, std::size_t half) {
    for (std::size_t first = 0; first < n; first += 4 * half) {
        for (float* at = x + first; at < x + first + half; at += 4) {
            const float32x4_t a = vld1q_f32(at), b = vld1q_f32(at + half);
            const float32x4_t c = vld1q_f32(at + 2 * half), d = vld1q_f32(at + 3 * half);
            const float32x4_t ab = vaddq_f32(a, b), cd = vaddq_f32(c, d);
            const float32x4_t a_b = vsubq_f32(a, b), c_d = vsubq_f32(c, d);
            vst1q_f32(at, vaddq_f32(ab, cd));
            vst1q_f32(at + half, vaddq_f32(a_b, c_d));
            vst1q_f32(at + 2 * half, vsubq_f32(ab, cd));
            vst1q_f32(at + 3 * half, vsubq_f32(a_b, c_d));
        }
    }
}

// The stages at distances from `half` up, where `half` is a multiple of 4.
[[maybe_unused]] void long_butterflies(float* x, std::size_t n, std::size_t half) {
    for (; 4 * half <= n; half *= 4) two_butterflies(x, n, half);
    if (half < n) butterflies(x, n, half);
}

void hadamard(float* x, std::size_t n) {
    if (n < 8) return short_butterflies(x, n, 1);
    for (std::size_t i = 0; i < n; i += 8) butterflies_of_8(x + i);
    long_butterflies(x, n, 8);
}

void signed_hadamard(const SignedHadamard& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        const float* x = rows.x + i * rows.stride;
        float* out = rows.out + i * rows.out_stride;
        std::size_t j = 0;
        for (; j + 8 <= rows.dim; j += 8) {
            const float32x4_t low = vmulq_f32(vld1q_f32(rows.signs + j), vld1q_f32(x + j));
            const float32x4_t high = vmulq_f32(vld1q_f32(rows.signs + j + 4), vld1q_f32(x + j + 4));
            vst1q_f32(out + j, low);
            vst1q_f32(out + j + 4, high);
        }
        for (; j < rows.dim; ++j) out[j] = rows.signs[j] * x[j];
        __builtin_memset(out + j, 0, (rows.size - j) * sizeof *out);
        if (rows.first == 1)
            hadamard(out, rows.size);
        else if (rows.first % 4 == 0)
            long_butterflies(out, rows.size, rows.first);
        else
            short_butterflies(out, rows.size, rows.first);
    }
}

// --- f16 -----------------------------------------------------------------------------------------------------------

void f32_to_f16(const float* x, std::size_t n, std::uint16_t* out) {
    std::size_t i = 0;
    const auto halves = [&](const float* at) { return vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(at))); };
    for (; i + 8 <= n; i += 8) vst1q_u16(out + i, vcombine_u16(halves(x + i), halves(x + i + 4)));
    for (; i < n; ++i) out[i] = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(x[i]))), 0);
}

void f16_to_f32(const std::uint16_t* x, std::size_t n, float* out) {
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        float32x4_t values[2];
        F16::load_8(reinterpret_cast<const std::uint8_t*>(x + i), values);
        vst1q_f32(out + i, values[0]);
        vst1q_f32(out + i + 4, values[1]);
    }
    for (; i < n; ++i) out[i] = vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(x[i]))), 0);
}

// --- codes ---------------------------------------------------------------------------------------------------------

// 16 numbers in the order of memory.
struct Sixteen {
    float32x4_t value[4];
};

// out[i] = code(x[i]) for n floats; code() maps 4 * 4 floats to as many integers in 0..255.
template <class Code>
[[gnu::always_inline]] inline void encode(const float* x, std::size_t n, std::uint8_t* out, const Code& code) {
    const auto codes_of = [&](const float* at) {
        uint32x4_t codes[4];
        code(Sixteen{{vld1q_f32(at), vld1q_f32(at + 4), vld1q_f32(at + 8), vld1q_f32(at + 12)}}, codes);
        const uint16x8_t low = vuzp1q_u16(vreinterpretq_u16_u32(codes[0]), vreinterpretq_u16_u32(codes[1]));
        const uint16x8_t high = vuzp1q_u16(vreinterpretq_u16_u32(codes[2]), vreinterpretq_u16_u32(codes[3]));
        return vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high));
    };
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) vst1q_u8(out + i, codes_of(x + i));
    if (i == n) return;
    float last[16] = {};
    std::uint8_t codes[16];
    __builtin_memcpy(last, x + i, (n - i) * sizeof *x);
    vst1q_u8(codes, codes_of(last));
    __builtin_memcpy(out + i, codes, n - i);
}

void encode_uniform(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out) {
    const float32x4_t scales = vdupq_n_f32(scale), lows = vdupq_n_f32(low), highs = vdupq_n_f32(high);
    const int32x4_t origin = vcvtnq_s32_f32(lows);
    encode(x, n, out, [&](const Sixteen& sixteen, uint32x4_t(&codes)[4]) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            float32x4_t value = vmulq_f32(sixteen.value[i], scales);
            value = vbslq_f32(vcgtq_f32(value, lows), value, lows);  // a NaN becomes low
            value = vminq_f32(value, highs);
            codes[i] = vreinterpretq_u32_s32(vsubq_s32(vcvtnq_s32_f32(value), origin));
        }
    });
}

void encode_levels(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out) {
    encode(x, n, out, [&](const Sixteen& sixteen, uint32x4_t(&levels)[4]) {
        levels[0] = levels[1] = levels[2] = levels[3] = vdupq_n_u32(0);
        for (std::uint32_t e = 0; e < n_edges; ++e) {
            const float32x4_t edge = vld1q_dup_f32(edges + e);
#pragma GCC unroll 4
            for (int i = 0; i < 4; ++i) levels[i] = vsubq_u32(levels[i], vcleq_f32(edge, sixteen.value[i]));
        }
    });
}

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        const float* x = buckets.x + i * buckets.stride;
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        std::size_t j = 0;
        for (; j + 8 <= buckets.dim; j += 8) {
            const float32x4_t low = vaddq_f32(vld1q_f32(sum + j), vld1q_f32(x + j));
            const float32x4_t high = vaddq_f32(vld1q_f32(sum + j + 4), vld1q_f32(x + j + 4));
            vst1q_f32(sum + j, low);
            vst1q_f32(sum + j + 4, high);
        }
        for (; j < buckets.dim; ++j) sum[j] = sum[j] + x[j];
    }
}

}  // namespace
}  // namespace fewbits::kernels
