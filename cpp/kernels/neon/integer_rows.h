// Integer rows on NEON. The query is brought into the order in which a step's levels come out of the codes, and into
// the form in which levels are multiplied, once for all rows (row_products.h).
//
// Rows are selected by number, so the next ones are prefetched. If the last step is incomplete, it is moved back over
// dimensions already processed, for which the query is set to zero, so that nothing past the row or the query is
// accessed; only a row shorter than one step is copied.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/neon/row_products.h"
#include "kernels/neon/runs.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t rows_ahead = 6;
constexpr std::uint32_t dimensions_at_once = 4096;  // 8 KiB of the query

// What one step multiplies.
template <std::uint32_t step>
struct StepLevels {
    uint8x16_t sixteen[step / 16];  // flipped(levels)
};

// Steps of `step` dimensions: arrange(query) returns those of the query in the order of levels_of(i, row, j), the
// levels of dimensions j .. j + step - 1 of the i-th listed row. j is a multiple of `unit`, to which rows are padded.
template <std::uint32_t step, class Arrange, class LevelsOf>
[[gnu::always_inline]] inline void dot_rows(const Rows& rows, std::size_t row_bytes, std::uint32_t unit,
                                            Arrange arrange, LevelsOf levels_of) noexcept {
    constexpr std::uint32_t steps_at_once = dimensions_at_once / step;
    const auto* query = static_cast<const std::int16_t*>(rows.query);
    auto* out = static_cast<std::int32_t*>(rows.out);
    const auto row_at = [&](std::uint32_t i) {
        return rows.base + (rows.rows != nullptr ? rows.rows[i] : i) * rows.stride;
    };
    const std::uint32_t padded = (rows.dim + unit - 1) / unit * unit, steps = (rows.dim + step - 1) / step;
    const std::uint32_t last = padded >= step ? padded - step : 0;  // where the last step begins
    PreparedQuery<step> prepared[steps_at_once];
    std::uint32_t first = 0;
    do {
        const std::uint32_t end = min(steps, first + steps_at_once);
        std::int32_t sum_of_query = 0;
        for (std::uint32_t s = first; s < end; ++s) {
            const std::uint32_t begin = s * step, count = min(step, rows.dim - begin);
            std::int16_t part[step] = {};
            __builtin_memcpy(part + (begin - min(begin, last)), query + begin, count * sizeof *query);
            for (std::uint32_t j = 0; j < step; ++j) sum_of_query += part[j];
            arrange(part);
            prepared[s - first].set(part);
        }
        for (std::uint32_t i = 0; i < rows.n; ++i) {
            if (rows.n - i > rows_ahead) {
                const std::uint8_t* ahead = row_at(i + rows_ahead);
                for (std::size_t at = 0; at < row_bytes; at += 64) __builtin_prefetch(ahead + at);
            }
            const std::uint8_t* row = row_at(i);
            ProductSums sums;
            for (std::uint32_t s = first; s < end; ++s) {
                const StepLevels<step> levels = levels_of(i, row, min(s * step, last));
#pragma GCC unroll 4
                for (std::uint32_t p = 0; p < step / 16; ++p)
                    sums.add(levels.sixteen[p], prepared[s - first].sixteen[p]);
            }
            const std::uint32_t before = first == 0 ? 0 : static_cast<std::uint32_t>(out[i]);
            out[i] = static_cast<std::int32_t>(before + sums.total(sum_of_query));
        }
        first = end;
    } while (first < steps);
}

void rows_dot8(const Rows& rows) noexcept {
    dot_rows<32>(
        rows, rows.dim, 1, [](std::int16_t*) {},
        [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j) -> StepLevels<32> {
            std::uint8_t few[32] = {};
            if (rows.dim < 32) __builtin_memcpy(few, row, rows.dim);
            const std::uint8_t* at = rows.dim < 32 ? few : row + j;
            return {{flipped(load128(at)), flipped(load128(at + 16))}};
        });
}

void rows_dot4(const Rows& rows) noexcept {
    const uint8x16_t table = flipped(load128(rows.levels));
    dot_rows<32>(
        rows, (std::size_t{rows.dim} + 1) / 2, 2,
        [](std::int16_t* part) {  // even dimensions first
            const int16x8x2_t first = vld2q_s16(part), second = vld2q_s16(part + 16);
            vst1q_s16(part, first.val[0]);
            vst1q_s16(part + 8, second.val[0]);
            vst1q_s16(part + 16, first.val[1]);
            vst1q_s16(part + 24, second.val[1]);
        },
        [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j) -> StepLevels<32> {
            std::uint8_t few[16] = {};
            if (rows.dim < 32) __builtin_memcpy(few, row, (rows.dim + 1) / 2);
            const uint8x16_t codes = load128(rows.dim < 32 ? few : row + j / 2);
            return {{vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15))), vqtbl1q_u8(table, vshrq_n_u8(codes, 4))}};
        });
}

// Exchanges bits of each dword: those in `mask` with those `distance` above them.
template <int distance, std::uint32_t mask>
[[gnu::always_inline]] inline uint32x4_t exchange_bits(uint32x4_t x) noexcept {
    const uint32x4_t lower = vbslq_u32(vdupq_n_u32(mask), vshrq_n_u32(x, distance), x);
    return vbslq_u32(vdupq_n_u32(mask << distance), vshlq_n_u32(x, distance), lower);
}

// Four planes of 64 dimensions, the lowest first, become codes. Dword g holds the four bytes of dimensions 8g to 8g +
// 7, with plane p of dimension i at bit 8p + i. Exchanging the highest two bits of that bit number with the lowest two
// brings the four bits of a dimension together: those of dimension i go to nibble i / 4 of byte i % 4.
[[gnu::always_inline]] inline StepLevels<64> codes_of(const uint8x16_t (&planes)[4]) noexcept {
    const uint16x8_t low = vreinterpretq_u16_u8(vzip1q_u8(planes[0], planes[1]));
    const uint16x8_t high = vreinterpretq_u16_u8(vzip1q_u8(planes[2], planes[3]));
    StepLevels<64> out;
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
        const uint32x4_t dwords = vreinterpretq_u32_u16(h == 0 ? vzip1q_u16(low, high) : vzip2q_u16(low, high));
        const uint8x16_t x = vreinterpretq_u8_u32(exchange_bits<7, 0xAA00AA>(exchange_bits<14, 0xCCCC>(dwords)));
        out.sixteen[2 * h] = vandq_u8(x, vdupq_n_u8(15));
        out.sixteen[2 * h + 1] = vshrq_n_u8(x, 4);
    }
    return out;
}

// The same order for the query: of 32 dimensions, first the lower halves of its four eights.
[[maybe_unused]] void lower_halves_first(std::int16_t* part) noexcept {
    std::int16_t out[64];
    for (std::size_t i = 0; i < 64; ++i) {
        const std::size_t in_32 = i % 32, half = in_32 / 16, eight = in_32 % 16 / 4;
        out[i] = part[i / 32 * 32 + 8 * eight + 4 * half + i % 4];
    }
    __builtin_memcpy(part, out, sizeof out);
}

template <std::uint32_t bits>
void planes_rows(const Rows& rows, const std::uint8_t* high, std::size_t high_stride) noexcept {
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    constexpr int parts = bits > 6 ? 1 << (bits - 6) : 1;  // of 64 levels
    std::uint8_t levels[64 * parts] = {};
    __builtin_memcpy(levels, rows.levels, std::size_t{1} << bits);
    uint8x16x4_t table[parts];
    for (int p = 0; p < parts; ++p) {
        for (int i = 0; i < 4; ++i) table[p].val[i] = flipped(load128(levels + 64 * p + 16 * i));
    }
    const auto levels_of = [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j) {
        uint8x16_t planes[8];  // the lowest first
#pragma GCC unroll 8
        for (std::uint32_t p = 0; p < 8; ++p) {
            if (p >= bits) {
                planes[p] = vdupq_n_u8(0);
                continue;
            }
            const std::uint8_t* plane = p + 1 < bits ? row + (bits - 2 - p) * plane_bytes : high + i * high_stride;
            std::uint8_t few[8] = {};
            if (rows.dim < 64) __builtin_memcpy(few, plane, plane_bytes);
            planes[p] = vcombine_u8(vld1_u8(rows.dim < 64 ? few : plane + j / 8), vdup_n_u8(0));
        }
        StepLevels<64> out = codes_of({planes[0], planes[1], planes[2], planes[3]});
        if constexpr (bits > 4) {
            const StepLevels<64> upper = codes_of({planes[4], planes[5], planes[6], planes[7]});
#pragma GCC unroll 4
            for (int p = 0; p < 4; ++p)
                out.sixteen[p] = look_up(table, vsliq_n_u8(out.sixteen[p], upper.sixteen[p], 4));
        } else {
#pragma GCC unroll 4
            for (int p = 0; p < 4; ++p) out.sixteen[p] = vqtbl1q_u8(table[0].val[0], out.sixteen[p]);
        }
        return out;
    };
    dot_rows<64>(rows, plane_bytes * (bits - 1), 8, lower_halves_first, levels_of);
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) noexcept {
    constexpr decltype(&planes_rows<2>) by_bits[] = {planes_rows<2>, planes_rows<3>, planes_rows<4>, planes_rows<5>,
                                                     planes_rows<6>, planes_rows<7>, planes_rows<8>};
    by_bits[bits - 2](rows, high, high_stride);
}

}  // namespace
}  // namespace fewbits::kernels
