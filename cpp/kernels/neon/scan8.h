// scan8 on NEON: for a few queries four lookups in 64 bytes each take 16 codes; for many see side_by_side.h.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/neon/runs.h"
#include "kernels/neon/scan4.h"
#include "kernels/neon/score.h"
#include "kernels/side_by_side.h"

namespace fewbits::kernels {
namespace {

[[maybe_unused]] Sums sum_bytes(const Runs<8>& runs, const std::uint8_t* tables, std::uint32_t begin,
                                std::uint32_t count) noexcept {
    uint16x8_t sums[2][2] = {{vdupq_n_u16(0), vdupq_n_u16(0)}, {vdupq_n_u16(0), vdupq_n_u16(0)}};
    for (std::uint32_t s = begin; s < begin + count; ++s) {
        const std::uint8_t* at = tables + std::size_t{s} * 256;
        const uint8x16x4_t table[4] = {load512(at), load512(at + 64), load512(at + 128), load512(at + 192)};
        const std::uint8_t* run = runs.at(s);
        add_bytes(sums[0], look_up(table, load128(run)));
        add_bytes(sums[1], look_up(table, load128(run + 16)));
    }
    Sums out;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const uint16x8_t eight = sums[i / 2][i % 2];
        out.four[2 * i] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(eight)));
        out.four[2 * i + 1] = vreinterpretq_s32_u32(vmovl_high_u16(eight));
    }
    return out;
}

[[maybe_unused]] void scan8_one(const Scan& scan, ScanQuery& query, std::uint32_t first, std::uint32_t end) noexcept {
    for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
        const Runs<8> runs(codes, block.vectors, scan.m);
        Sums sums = {};
        for (std::uint32_t begin = 0; begin < scan.m; begin += elements_per_spill)
            add(sums, sum_bytes(runs, static_cast<const std::uint8_t*>(query.table), begin,
                                min(elements_per_spill, scan.m - begin)));
        take_sums(scan, query, block, sums);
    });
}

// Rows of 16 bytes to columns: interleaving the bytes of rows i and i + 8 four times is the transpose, since each stage
// moves one bit of the row number into the byte number.
[[gnu::always_inline]] inline void transpose16(uint8x16_t (&rows)[16]) noexcept {
    uint8x16_t next[16];
#pragma GCC unroll 4
    for (int stage = 0; stage < 4; ++stage) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            next[2 * i] = vzip1q_u8(rows[i], rows[i + 8]);
            next[2 * i + 1] = vzip2q_u8(rows[i], rows[i + 8]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) rows[i] = next[i];
    }
}

struct SideBySide {
    [[gnu::noinline]] static void lay_out(const std::uint8_t* const (&tables)[side_by_side], std::uint32_t bytes,
                                          Entries& entries) noexcept {
        for (std::uint32_t at = 0; at < bytes; at += 16) {
            uint8x16_t rows[16];
#pragma GCC unroll 16
            for (int q = 0; q < 16; ++q) rows[q] = load128(tables[q] + at);
            transpose16(rows);
            std::uint8_t* out = entries + std::size_t{at} * side_by_side;
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i) vst1q_u8(out + 16 * i, rows[i]);
        }
    }

    [[gnu::always_inline]] static void add_entries(const std::uint8_t* runs, std::uint32_t vectors, std::uint32_t count,
                                                   const Entries& entries, std::uint16_t* sums) noexcept {
        for (std::uint32_t v = 0; v < vectors; ++v) {
            std::uint16_t* const at = sums + std::size_t{v} * side_by_side;
            uint16x8_t sum[2] = {vld1q_u16(at), vld1q_u16(at + 8)};
#pragma GCC unroll 8
            for (std::uint32_t s = 0; s < count; ++s) {
                const std::size_t code = runs[s * vectors + v];
                add_bytes(sum, load128(entries + (s * entries_of_table + code) * side_by_side));
            }
            vst1q_u16(at, sum[0]);
            vst1q_u16(at + 8, sum[1]);
        }
    }

    static void queries_that_reach(const std::uint16_t* sums, std::uint32_t vectors,
                                   const std::uint16_t (&bounds)[side_by_side],
                                   std::uint8_t (&reach)[side_by_side]) noexcept {
        const uint16x8_t bound[2] = {vld1q_u16(bounds), vld1q_u16(bounds + 8)};
        uint16x8_t any[2] = {vdupq_n_u16(0), vdupq_n_u16(0)};
        for (std::uint32_t v = 0; v < vectors; ++v)
            for (std::uint32_t h = 0; h < 2; ++h)
                any[h] = vorrq_u16(any[h], vcgeq_u16(vld1q_u16(sums + v * side_by_side + 8 * h), bound[h]));
        vst1q_u8(reach, vuzp1q_u8(vreinterpretq_u8_u16(any[0]), vreinterpretq_u8_u16(any[1])));
    }

    static void take(const Scan& scan, ScanQuery& query, const CodeBlock& block, const std::int32_t* sums) noexcept {
        Sums out;
        for (int g = 0; g < 8; ++g) out.four[g] = vld1q_s32(sums + 4 * g);
        take_sums(scan, query, block, out);
    }
};

void scan8(const Scan& scan) noexcept {
    scan8_by<SideBySide>(scan, scan8_one);
}

}  // namespace
}  // namespace fewbits::kernels
