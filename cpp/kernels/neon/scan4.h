// scan4 on NEON: a lookup takes 16 nibbles at once; sums are u16 for up to 256 elements, then int32.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/neon/runs.h"
#include "kernels/neon/score.h"

namespace fewbits::kernels {
namespace {

// 16-bit sums of the vectors of a block: 2i, 2i + 16, 2i + 1 and 2i + 17 in lane i, since the low nibbles of a run are
// the even vectors.
struct NibbleSums {
    uint16x8_t even[2], odd[2];
};

[[gnu::always_inline]] inline void add_bytes(uint16x8_t (&sums)[2], uint8x16_t bytes) noexcept {
    sums[0] = vaddw_u8(sums[0], vget_low_u8(bytes));
    sums[1] = vaddw_high_u8(sums[1], bytes);
}

[[gnu::always_inline]] inline Sums in_order(const NibbleSums& sums) noexcept {
    Sums out;
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
        const uint16x8_t first = vzip1q_u16(sums.even[h], sums.odd[h]), last = vzip2q_u16(sums.even[h], sums.odd[h]);
        out.four[4 * h] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(first)));
        out.four[4 * h + 1] = vreinterpretq_s32_u32(vmovl_high_u16(first));
        out.four[4 * h + 2] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(last)));
        out.four[4 * h + 3] = vreinterpretq_s32_u32(vmovl_high_u16(last));
    }
    return out;
}

[[gnu::always_inline]] inline bool any_reaches(const NibbleSums& sums, std::uint16_t bound) noexcept {
    const uint16x8_t greatest = vmaxq_u16(vmaxq_u16(sums.even[0], sums.even[1]), vmaxq_u16(sums.odd[0], sums.odd[1]));
    return vmaxvq_u16(greatest) >= bound;
}

// Sums of `count` runs from `runs` on, all of which are readable as full ones; tables[q] is query q's table of the
// first.
template <int n_queries>
[[gnu::always_inline]] inline void sum_runs(NibbleSums (&sums)[n_queries],
                                            const std::uint8_t* const (&tables)[n_queries], const std::uint8_t* runs,
                                            std::size_t stride, std::uint32_t count) noexcept {
    const uint8x16_t nibble = vdupq_n_u8(15);
    for (std::size_t s = 0; s < count; ++s, runs += stride) {
        if (n_queries == 1) __builtin_prefetch(runs + 1024);  // a lone query waits for memory
        const uint8x16_t codes = load128(runs);
        const uint8x16_t low = vandq_u8(codes, nibble), high = vshrq_n_u8(codes, 4);
#pragma GCC unroll 4
        for (int q = 0; q < n_queries; ++q) {
            const uint8x16_t table = load128(tables[q] + 16 * s);
            add_bytes(sums[q].even, vqtbl1q_u8(table, low));
            add_bytes(sums[q].odd, vqtbl1q_u8(table, high));
        }
    }
}

template <int n_queries>
[[gnu::always_inline]] inline void clear(NibbleSums (&sums)[n_queries]) noexcept {
#pragma GCC unroll 4
    for (int q = 0; q < n_queries; ++q)
        sums[q].even[0] = sums[q].even[1] = sums[q].odd[0] = sums[q].odd[1] = vdupq_n_u16(0);
}

// A full block whose sums fit 16 bits: nearly all are.
template <int n_queries>
[[gnu::noinline]] void scan4_full(const Scan& scan, ScanQuery* queries, const std::uint16_t* bounds,
                                  const CodeBlock& block, const std::uint8_t* codes) noexcept {
    const std::uint8_t* tables[n_queries];
#pragma GCC unroll 4
    for (int q = 0; q < n_queries; ++q) tables[q] = static_cast<const std::uint8_t*>(queries[q].table);
    NibbleSums sums[n_queries];
    clear(sums);
    sum_runs(sums, tables, codes, 16, scan.m);
#pragma GCC unroll 4
    for (int q = 0; q < n_queries; ++q)
        if (any_reaches(sums[q], bounds[q])) take_sums(scan, queries[q], block, in_order(sums[q]));
}

// Any block and any m, one query. Lanes past the block's vectors hold anything.
[[maybe_unused, gnu::noinline]] void scan4_any(const Scan& scan, ScanQuery& query, const CodeBlock& block,
                                               const std::uint8_t* codes) noexcept {
    const Runs<4> runs(codes, block.vectors, scan.m);
    Sums sums = {};
    for (std::uint32_t begin = 0; begin < scan.m; begin += elements_per_spill) {
        const std::uint32_t end = begin + min(elements_per_spill, scan.m - begin);
        const std::uint8_t* const table[1] = {static_cast<const std::uint8_t*>(query.table) + std::size_t{begin} * 16};
        const std::uint32_t in_place = runs.in_place > begin ? min(end, runs.in_place) - begin : 0;
        NibbleSums part[1];
        clear(part);
        sum_runs(part, table, runs.at(begin), runs.stride, in_place);
        const std::uint8_t* const rest[1] = {table[0] + std::size_t{in_place} * 16};
        sum_runs(part, rest, runs.at(begin + in_place), runs.stride, end - begin - in_place);
        add(sums, in_order(part[0]));
    }
    take_sums(scan, query, block, sums);
}

template <int n_queries>
[[gnu::always_inline]] inline void scan4_queries(const Scan& scan, ScanQuery* queries, std::uint32_t first,
                                                 std::uint32_t end) noexcept {
    std::uint16_t bounds[n_queries];
    for (int q = 0; q < n_queries; ++q) bounds[q] = min_sum(scan, queries[q]);
    for_blocks(scan, 4, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
        if (block.vectors == block_size && scan.m <= elements_per_spill)
            return scan4_full<n_queries>(scan, queries, bounds, block, codes);
        for (int q = 0; q < n_queries; ++q) scan4_any(scan, queries[q], block, codes);
    });
}

// Four queries keep their sums in half of the registers.
void scan4(const Scan& scan) noexcept {
    for_chunks<4>(scan, 4, [&](ScanQuery* queries, std::uint32_t count, std::uint32_t v, std::uint32_t end) {
        std::uint32_t q = 0;
        if (count == 4) return scan4_queries<4>(scan, queries, v, end);
        for (; q + 2 <= count; q += 2) scan4_queries<2>(scan, queries + q, v, end);
        if (q < count) scan4_queries<1>(scan, queries + q, v, end);
    });
}

}  // namespace
}  // namespace fewbits::kernels
