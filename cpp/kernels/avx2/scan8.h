// scan8 on AVX2, in two ways that give the same sums.
//
// A few queries: sixteen shuffles look 32 codes up in one query's 256 entries. Many: the entries of sixteen queries are
// laid side by side first, and a code then fetches those of all sixteen with one load. Laying them out costs what some
// hundred vectors do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/scan4.h"
#include "kernels/kernels.h"

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

constexpr std::uint32_t side_by_side = 16;
constexpr std::uint32_t elements_at_once = 8;    // 32 KiB of entries: what a first-level cache holds
constexpr std::uint32_t vectors_at_once = 1024;  // 32 KiB of sums
constexpr std::uint32_t entries_of_table = 256;

// entries[(s * 256 + code) * 16 + query]
using Entries = std::uint8_t[elements_at_once * entries_of_table * side_by_side];
// sums[v * 16 + query], modulo 2^16
using SideSums = std::uint16_t[vectors_at_once * side_by_side];

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

// The entries of `count` elements from `begin` on, of up to 16 queries; those behind the last repeat it.
[[maybe_unused, gnu::noinline]] void lay_out(const ScanQuery* queries, std::uint32_t n_queries, std::uint32_t begin,
                                             std::uint32_t count, Entries& entries) noexcept {
    const std::uint8_t* tables[side_by_side];
    for (std::uint32_t q = 0; q < side_by_side; ++q)
        tables[q] = static_cast<const std::uint8_t*>(queries[min(q, n_queries - 1)].table)
                    + std::size_t{begin} * entries_of_table;
    for (std::uint32_t at = 0; at < count * entries_of_table; at += 32) {
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

// Adds the entries of `count` elements to the sums of a block's vectors; `runs` is the run of the first of them.
[[gnu::always_inline]] inline void add_entries(const std::uint8_t* runs, std::uint32_t vectors, std::uint32_t count,
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

// A bit pair for each query that has a vector whose sum reaches its bound.
[[maybe_unused]] std::uint32_t queries_that_reach(const std::uint16_t* sums, std::uint32_t vectors,
                                                  __m256i bounds) noexcept {
    __m256i any = _mm256_setzero_si256();
    for (std::uint32_t v = 0; v < vectors; ++v) {
        const __m256i sum = load256(sums + v * side_by_side);
        any = _mm256_or_si256(any, _mm256_cmpeq_epi16(_mm256_max_epu16(sum, bounds), sum));
    }
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(any));
}

[[maybe_unused]] Sums sums_of(const std::uint16_t* side, std::uint32_t vectors, std::uint32_t query) noexcept {
    alignas(32) std::int32_t sums[block_size];
    for (std::uint32_t v = 0; v < block_size; ++v) sums[v] = v < vectors ? side[v * side_by_side + query] : 0;
    return {{load256(sums), load256(sums + 8), load256(sums + 16), load256(sums + 24)}};
}

// Up to 16 queries over vectors first .. end - 1 (at most vectors_at_once) of at most 256 elements.
[[maybe_unused, gnu::noinline]] void scan8_side_by_side(const Scan& scan, ScanQuery* queries, std::uint32_t n_queries,
                                                        std::uint32_t first, std::uint32_t end, Entries& entries,
                                                        SideSums& sums) noexcept {
    __builtin_memset(sums, 0, std::size_t{end - first} * side_by_side * sizeof sums[0]);
    for (std::uint32_t begin = 0; begin < scan.m; begin += elements_at_once) {
        const std::uint32_t count = min(elements_at_once, scan.m - begin);
        lay_out(queries, n_queries, begin, count, entries);
        for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
            const std::uint8_t* runs = codes + std::size_t{begin} * block.vectors;
            std::uint16_t* to = sums + (block.first - first) * side_by_side;
            if (count == elements_at_once && block.vectors == block_size)
                add_entries(runs, block_size, elements_at_once, entries, to);
            else
                add_entries(runs, block.vectors, count, entries, to);
        });
    }
    alignas(32) std::uint16_t bounds[side_by_side];
    for (std::uint32_t q = 0; q < side_by_side; ++q) bounds[q] = q < n_queries ? min_sum(scan, queries[q]) : 65535;
    for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t*) {
        const std::uint16_t* of_block = sums + (block.first - first) * side_by_side;
        std::uint32_t reach = queries_that_reach(of_block, block.vectors, load256(bounds));
        for (std::uint32_t q = 0; q < n_queries; ++q, reach >>= 2)
            if (reach & 1) take_sums(scan, queries[q], block, sums_of(of_block, block.vectors, q));
    });
}

// Worth it from about here on: measured on Zen 3.
[[maybe_unused]] bool many(std::uint32_t n_queries, std::uint32_t n) noexcept {
    return n_queries > 3 && (n_queries - 2) * std::uint64_t{n} > 1000;
}

// Takes queries sixteen at a time while they are many; returns how many it took.
[[maybe_unused]] std::uint32_t scan8_many(const Scan& scan) noexcept {
    alignas(64) Entries entries;
    alignas(64) SideSums sums;
    std::uint32_t q = 0;
    for (std::uint32_t n_queries; many(n_queries = min(side_by_side, scan.n_queries - q), scan.n); q += n_queries)
        for (std::uint32_t v = 0; v < scan.n; v += vectors_at_once)
            scan8_side_by_side(scan, scan.queries + q, n_queries, v, v + min(scan.n - v, vectors_at_once), entries,
                               sums);
    return q;
}

void scan8(const Scan& scan) noexcept {
    const std::uint32_t done = scan.m <= elements_per_spill ? scan8_many(scan) : 0;
    Scan rest = scan;
    rest.queries += done;
    rest.n_queries -= done;
    const auto one = [&](ScanQuery* query, std::uint32_t first, std::uint32_t end) {
        scan8_one(rest, *query, first, end);
    };
    const auto two = [&](ScanQuery* queries, std::uint32_t first, std::uint32_t end) {
        one(queries, first, end);
        one(queries + 1, first, end);
    };
    for_chunks(rest, 8, two, one);
}

}  // namespace
}  // namespace fewbits::kernels
