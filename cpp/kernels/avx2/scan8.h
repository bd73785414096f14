// scan8 on AVX2: for a few queries sixteen shuffles look 32 codes up in one query's 256 entries; for many see
// side_by_side.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/scan4.h"
#include "kernels/side_by_side.h"

namespace fewbits::kernels {
namespace {

// 32 bytes looked up in 256: sixteen shuffles by the low nibble, then a tournament of blends by the high nibble's bits.
[[gnu::always_inline]] inline __m256i look_up256(const std::uint8_t* table, __m256i codes) noexcept {
    const __m256i low = _mm256_and_si256(codes, _mm256_set1_epi8(15));
    const __m256i bit4 = _mm256_slli_epi16(codes, 3);  // a blend looks at the top bit of each byte only
    const __m256i bit5 = _mm256_slli_epi16(codes, 2);
    const __m256i bit6 = _mm256_slli_epi16(codes, 1);
    const auto row = [&](int r) { return _mm256_shuffle_epi8(broadcast128(table + 16 * r), low); };
    const auto two = [&](int r) { return _mm256_blendv_epi8(row(r), row(r + 1), bit4); };
    const auto four = [&](int r) { return _mm256_blendv_epi8(two(r), two(r + 2), bit5); };
    const auto eight = [&](int r) { return _mm256_blendv_epi8(four(r), four(r + 4), bit6); };
    return _mm256_blendv_epi8(eight(0), eight(8), codes);
}

[[maybe_unused]] Sums sum_bytes(const Runs<8>& runs, const std::uint8_t* table, std::uint32_t begin,
                                std::uint32_t count) noexcept {
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (std::uint32_t s = begin; s < begin + count; ++s) {
        const __m256i x = look_up256(table + std::size_t{s} * 256, load256(runs.at(s)));
        even = _mm256_add_epi16(even, _mm256_and_si256(x, _mm256_set1_epi16(255)));
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16(x, 8));
    }
    const __m256i a = _mm256_unpacklo_epi16(even, odd), b = _mm256_unpackhi_epi16(even, odd);
    return {{_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)), _mm256_cvtepu16_epi32(_mm256_castsi256_si128(b)),
             _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)),
             _mm256_cvtepu16_epi32(_mm256_extracti128_si256(b, 1))}};
}

void scan8_one(const Scan& scan, ScanQuery& query, std::uint32_t first, std::uint32_t end) noexcept {
    for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
        const Runs<8> runs(codes, block.vectors, scan.m);
        Sums sums = {};
        for (std::uint32_t begin = 0; begin < scan.m; begin += elements_per_spill)
            add(sums, sum_bytes(runs, static_cast<const std::uint8_t*>(query.table), begin,
                                min(elements_per_spill, scan.m - begin)));
        take_sums(scan, query, block, sums);
    });
}

// --- sixteen queries side by side -----------------------------------------------------------------------------------

[[maybe_unused]] void store256(void* p, __m256i x) noexcept {
    _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}

// Rows of 16 pairs (one in each lane) to columns: `width` is that of a unit in bytes, doubled four times.
[[gnu::always_inline]] inline void transpose16(__m256i (&rows)[16]) noexcept {
    __m256i next[16];
    const auto stage = [&](auto low, auto high) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
            next[2 * i] = low(rows[i], rows[i + 8]);
            next[2 * i + 1] = high(rows[i], rows[i + 8]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) rows[i] = next[i];
    };
    // Interleaving the bytes of rows i and i + 8 four times is the transpose: each stage moves one bit of the row
    // number into the byte number.
    const auto low = [](__m256i a, __m256i b) { return _mm256_unpacklo_epi8(a, b); };
    const auto high = [](__m256i a, __m256i b) { return _mm256_unpackhi_epi8(a, b); };
    stage(low, high);
    stage(low, high);
    stage(low, high);
    stage(low, high);
}

struct SideBySide {
    [[gnu::noinline]] static void lay_out(const std::uint8_t* const (&tables)[side_by_side], std::uint32_t bytes,
                                          Entries& entries) noexcept {
        for (std::uint32_t at = 0; at < bytes; at += 32) {
            __m256i rows[16];
#pragma GCC unroll 16
            for (int q = 0; q < 16; ++q) rows[q] = load256(tables[q] + at);
            transpose16(rows);
            std::uint8_t* out = entries + std::size_t{at} * side_by_side;
#pragma GCC unroll 8
            for (int i = 0; i < 16; i += 2) {
                store256(out + 16 * i, _mm256_permute2x128_si256(rows[i], rows[i + 1], 0x20));
                store256(out + 16 * (i + 16), _mm256_permute2x128_si256(rows[i], rows[i + 1], 0x31));
            }
        }
    }

    [[gnu::always_inline]] static void add_entries(const std::uint8_t* runs, std::uint32_t vectors, std::uint32_t count,
                                                   const Entries& entries, std::uint16_t* sums) noexcept {
        for (std::uint32_t v = 0; v < vectors; ++v) {
            __m256i sum = load256(sums + v * side_by_side);
#pragma GCC unroll 8
            for (std::uint32_t s = 0; s < count; ++s) {
                const std::size_t code = runs[s * vectors + v];
                sum = _mm256_add_epi16(
                    sum, _mm256_cvtepu8_epi16(load128(entries + (s * entries_of_table + code) * side_by_side)));
            }
            store256(sums + v * side_by_side, sum);
        }
    }

    static void queries_that_reach(const std::uint16_t* sums, std::uint32_t vectors,
                                   const std::uint16_t (&bounds)[side_by_side],
                                   std::uint8_t (&reach)[side_by_side]) noexcept {
        const __m256i bound = load256(bounds);
        __m256i any = _mm256_setzero_si256();
        for (std::uint32_t v = 0; v < vectors; ++v) {
            const __m256i sum = load256(sums + v * side_by_side);
            any = _mm256_or_si256(any, _mm256_cmpeq_epi16(_mm256_max_epu16(sum, bound), sum));
        }
        const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(any), _mm256_extracti128_si256(any, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(reach), bytes);
    }

    static void take(const Scan& scan, ScanQuery& query, const CodeBlock& block, const std::int32_t* sums) noexcept {
        take_sums(scan, query, block, {{load256(sums), load256(sums + 8), load256(sums + 16), load256(sums + 24)}});
    }
};

void scan8(const Scan& scan) noexcept {
    scan8_by<SideBySide>(scan, scan8_one);
}

}  // namespace
}  // namespace fewbits::kernels
