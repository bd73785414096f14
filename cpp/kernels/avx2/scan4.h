// scan4 on AVX2: a shuffle looks 32 nibbles up at once; sums are u16 for up to 256 elements, then int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/score.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

[[maybe_unused, gnu::noinline]] void take_sums(const Scan& scan, ScanQuery& query, const CodeBlock& block,
                                               const Sums& sums) noexcept {
    __m256 acc[4];
    for (int g = 0; g < 4; ++g) acc[g] = _mm256_cvtepi32_ps(sums.eight[g]);
    take_block(scan, query, block.first, block.vectors, block.wanted, acc);
}

// Sixteen 16-bit numbers: a type of its own, because GCC keeps loop sums in place only if their type never changes.
using Words [[gnu::vector_size(32)]] = std::uint16_t;

// Looked-up bytes of two runs (one a 128-bit lane), summed as 16-bit numbers. Byte j of a run holds vectors 2j and
// 2j + 1, so 16-bit lane i of low_pair collects vector 4i + 256 * vector (4i + 2), modulo 2^16, and low_upper the
// latter alone: the former is recovered by one subtraction at the end. The high nibbles are vectors 4i + 1 and 4i + 3.
struct NibbleSums {
    Words low_pair, low_upper, high_pair, high_upper;
};

template <bool full>
__m256i load_two_runs(const std::uint8_t* runs, std::size_t stride) noexcept {
    if (full) return load256(runs);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load128(runs)), load128(runs + stride), 1);
}

[[gnu::always_inline]] inline void look_up(NibbleSums& sums, __m256i table, __m256i low, __m256i high) noexcept {
    const __m256i take_upper = _mm256_set1_epi16(0x0100);  // multiplies upper bytes by 1: a shift on a less busy port
    const __m256i a = _mm256_shuffle_epi8(table, low);
    const __m256i b = _mm256_shuffle_epi8(table, high);
    sums.low_pair += reinterpret_cast<Words>(a);
    sums.low_upper += reinterpret_cast<Words>(_mm256_maddubs_epi16(a, take_upper));
    sums.high_pair += reinterpret_cast<Words>(b);
    sums.high_upper += reinterpret_cast<Words>(_mm256_maddubs_epi16(b, take_upper));
}

// Sums of two runs at a time; tables[q] is query q's table of the first of them. All sums stay in registers.
template <bool full, int n_queries>
[[gnu::always_inline]] inline void sum_pairs(NibbleSums (&sums)[n_queries],
                                             const std::uint8_t* const (&tables)[n_queries], const std::uint8_t* runs,
                                             std::size_t stride, std::uint32_t pairs, std::size_t ahead) noexcept {
    const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q) sums[q] = NibbleSums{};
    const std::uint8_t* const end = runs + 2 * pairs * stride;
    std::size_t at = 0;
    do {
        if (full && n_queries == 1) fetch<32>(runs + ahead);
        const __m256i codes = load_two_runs<full>(runs, stride);
        const __m256i low = _mm256_and_si256(codes, nibble);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble);
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) look_up(sums[q], load256(tables[q] + at), low, high);
        runs += 2 * stride;
        at += 32;
    } while (runs != end);
}

// A run by itself: the other lane looks up in a table of zeros.
[[maybe_unused]] void add_run(NibbleSums& sums, const std::uint8_t* table, const std::uint8_t* run) noexcept {
    const __m128i nibble = _mm_set1_epi8(15), codes = load128(run);
    const __m256i low = _mm256_zextsi128_si256(_mm_and_si128(codes, nibble));
    const __m256i high = _mm256_zextsi128_si256(_mm_and_si128(_mm_srli_epi16(codes, 4), nibble));
    look_up(sums, _mm256_zextsi128_si256(load128(table)), low, high);
}

// [sum of both lanes of a | sum of both lanes of b]
[[gnu::always_inline]] inline __m256i fold(Words x, Words y) noexcept {
    const __m256i a = reinterpret_cast<__m256i>(x), b = reinterpret_cast<__m256i>(y);
    return _mm256_add_epi16(_mm256_permute2x128_si256(a, b, 0x21), _mm256_blend_epi32(a, b, 0xF0));
}

struct Scrambled {
    __m256i even;  // u16 sums of vectors 4i | 4i + 2
    __m256i odd;   // 4i + 1 | 4i + 3
};

[[gnu::always_inline]] inline Scrambled finish(const NibbleSums& sums) noexcept {
    return {fold(sums.low_pair - (sums.low_upper << 8), sums.low_upper),
            fold(sums.high_pair - (sums.high_upper << 8), sums.high_upper)};
}

[[gnu::always_inline]] inline bool any_reaches(const Scrambled& sums, std::uint16_t bound) noexcept {
    const __m256i bounds = _mm256_set1_epi16(static_cast<short>(bound));
    const __m256i even = _mm256_cmpeq_epi16(_mm256_max_epu16(sums.even, bounds), sums.even);
    const __m256i odd = _mm256_cmpeq_epi16(_mm256_max_epu16(sums.odd, bounds), sums.odd);
    return _mm256_movemask_epi8(_mm256_or_si256(even, odd)) != 0;
}

[[maybe_unused]] Sums in_order(const Scrambled& sums) noexcept {
    const __m256i first = _mm256_unpacklo_epi16(sums.even, sums.odd);
    const __m256i last = _mm256_unpackhi_epi16(sums.even, sums.odd);
    const __m128i a = _mm256_castsi256_si128(first), b = _mm256_extracti128_si256(first, 1);
    const __m128i c = _mm256_castsi256_si128(last), d = _mm256_extracti128_si256(last, 1);
    return {{_mm256_cvtepu16_epi32(_mm_unpacklo_epi32(a, b)), _mm256_cvtepu16_epi32(_mm_unpackhi_epi32(a, b)),
             _mm256_cvtepu16_epi32(_mm_unpacklo_epi32(c, d)), _mm256_cvtepu16_epi32(_mm_unpackhi_epi32(c, d))}};
}

// A full block whose sums fit 16 bits: nearly all are. odd: scan.m is.
template <int n_queries, bool odd>
[[gnu::noinline]] void scan4_full(const Scan& scan, ScanQuery* queries, const std::uint16_t* bounds,
                                  const CodeBlock& block, const std::uint8_t* codes) noexcept {
    const std::uint8_t* tables[n_queries];
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q) tables[q] = static_cast<const std::uint8_t*>(queries[q].table);
    NibbleSums sums[n_queries];
    sum_pairs<true>(sums, tables, codes, 16, scan.m / 2, block.ahead);
    const std::size_t last = std::size_t{scan.m - 1} * 16;
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q) {
        if (odd) add_run(sums[q], tables[q] + last, codes + last);
        const Scrambled sum = finish(sums[q]);
        if (any_reaches(sum, bounds[q])) take_sums(scan, queries[q], block, in_order(sum));
    }
}

// Sums of runs begin .. begin + count - 1 (at most elements_per_spill) of any block.
template <int n_queries>
[[gnu::always_inline]] inline void sum_runs(NibbleSums (&sums)[n_queries], const ScanQuery* queries,
                                            const Runs<4>& runs, std::size_t ahead, std::uint32_t begin,
                                            std::uint32_t count) noexcept {
    const std::uint32_t pairs = runs.in_place > begin ? min(count, runs.in_place - begin) / 2 : 0;
    const std::uint8_t* first = runs.codes + begin * runs.stride;
    const std::uint8_t* tables[n_queries];
    for (int q = 0; q < n_queries; ++q)
        tables[q] = static_cast<const std::uint8_t*>(queries[q].table) + std::size_t{begin} * 16;
    if (pairs > 0 && runs.stride == 16) sum_pairs<true>(sums, tables, first, 16, pairs, ahead);
    if (pairs > 0 && runs.stride != 16) sum_pairs<false>(sums, tables, first, runs.stride, pairs, ahead);
    for (int q = 0; q < n_queries; ++q)
        for (std::uint32_t s = 2 * pairs; s < count; ++s)
            add_run(sums[q], tables[q] + std::size_t{s} * 16, runs.at(begin + s));
}

// Any block whose sums fit 16 bits: the last of a list. Lanes past its vectors may reach the bound, and are left out
// then.
template <int n_queries>
[[gnu::noinline]] void scan4_short(const Scan& scan, ScanQuery* queries, const std::uint16_t* bounds,
                                   const CodeBlock& block, const std::uint8_t* codes) noexcept {
    NibbleSums sums[n_queries] = {};
    sum_runs(sums, queries, Runs<4>(codes, block.vectors, scan.m), block.ahead, 0, scan.m);
    for (int q = 0; q < n_queries; ++q) {
        const Scrambled sum = finish(sums[q]);
        if (any_reaches(sum, bounds[q])) take_sums(scan, queries[q], block, in_order(sum));
    }
}

// Any block and any m.
template <int n_queries>
[[gnu::noinline]] void scan4_long(const Scan& scan, ScanQuery* queries, const CodeBlock& block,
                                  const std::uint8_t* codes) noexcept {
    const Runs<4> runs(codes, block.vectors, scan.m);
    Sums sums[n_queries] = {};
    for (std::uint32_t begin = 0; begin < scan.m; begin += elements_per_spill) {
        NibbleSums part[n_queries] = {};
        sum_runs(part, queries, runs, block.ahead, begin, min(elements_per_spill, scan.m - begin));
        for (int q = 0; q < n_queries; ++q) add(sums[q], in_order(finish(part[q])));
    }
    for (int q = 0; q < n_queries; ++q) take_sums(scan, queries[q], block, sums[q]);
}

template <int n_queries>
void scan4_queries(const Scan& scan, ScanQuery* queries, std::uint32_t first, std::uint32_t end) noexcept {
    std::uint16_t bounds[n_queries];
    for (int q = 0; q < n_queries; ++q) bounds[q] = min_sum(scan, queries[q]);
    for_blocks(scan, 4, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
        if (scan.m > elements_per_spill) return scan4_long<n_queries>(scan, queries, block, codes);
        if (block.vectors < block_size || scan.m == 1)
            return scan4_short<n_queries>(scan, queries, bounds, block, codes);
        if (scan.m % 2 != 0) return scan4_full<n_queries, true>(scan, queries, bounds, block, codes);
        scan4_full<n_queries, false>(scan, queries, bounds, block, codes);
    });
}

void scan4(const Scan& scan) noexcept {
    for_chunks<2>(scan, 4, [&](ScanQuery* queries, std::uint32_t count, std::uint32_t v, std::uint32_t end) {
        count == 2 ? scan4_queries<2>(scan, queries, v, end) : scan4_queries<1>(scan, queries, v, end);
    });
}

}  // namespace
}  // namespace fewbits::kernels
