// scan8 for many queries, on AVX2 and NEON: the entries of sixteen queries are laid side by side, and a code then
// fetches those of all sixteen with one load. Laying them out costs what some hundred vectors do. Everything here is
// local to the including file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/code_blocks.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t side_by_side = 16;
constexpr std::uint32_t elements_at_once = 8;    // 32 KiB of entries: what a first-level cache holds
constexpr std::uint32_t vectors_at_once = 1024;  // 32 KiB of sums
constexpr std::uint32_t entries_of_table = 256;

// entries[(s * 256 + code) * 16 + query]
using Entries = std::uint8_t[elements_at_once * entries_of_table * side_by_side];
// sums[v * 16 + query], modulo 2^16
using SideSums = std::uint16_t[vectors_at_once * side_by_side];

// Set has the functions of an instruction set:
//   lay_out(tables, bytes, entries)              `bytes` entries of each of the 16 tables, side by side
//   add_entries(runs, vectors, count, entries, sums)  adds those of `count` elements to the sums of a block's vectors
//   queries_that_reach(sums, vectors, bounds, reach)  reach[query] is not zero if a vector's sum is at least its bound
//   take(scan, query, block, sums)               hits among the sums (int32) of a block

// Up to 16 queries over vectors first .. end - 1 (at most vectors_at_once) of at most 256 elements. The entries of
// queries behind the last repeat it.
template <class Set>
[[gnu::noinline]] void scan8_side_by_side(const Scan& scan, ScanQuery* queries, std::uint32_t n_queries,
                                          std::uint32_t first, std::uint32_t end, Entries& entries,
                                          SideSums& sums) noexcept {
    __builtin_memset(sums, 0, std::size_t{end - first} * side_by_side * sizeof sums[0]);
    for (std::uint32_t begin = 0; begin < scan.m; begin += elements_at_once) {
        const std::uint32_t count = min(elements_at_once, scan.m - begin);
        const std::uint8_t* tables[side_by_side];
        for (std::uint32_t q = 0; q < side_by_side; ++q)
            tables[q] = static_cast<const std::uint8_t*>(queries[min(q, n_queries - 1)].table)
                        + std::size_t{begin} * entries_of_table;
        Set::lay_out(tables, count * entries_of_table, entries);
        for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t* codes) {
            const std::uint8_t* runs = codes + std::size_t{begin} * block.vectors;
            std::uint16_t* to = sums + (block.first - first) * side_by_side;
            if (count == elements_at_once && block.vectors == block_size)
                Set::add_entries(runs, block_size, elements_at_once, entries, to);
            else
                Set::add_entries(runs, block.vectors, count, entries, to);
        });
    }
    std::uint16_t bounds[side_by_side];
    for (std::uint32_t q = 0; q < side_by_side; ++q) bounds[q] = q < n_queries ? min_sum(scan, queries[q]) : 65535;
    for_blocks(scan, 8, first, end, [&](const CodeBlock& block, const std::uint8_t*) {
        const std::uint16_t* of_block = sums + (block.first - first) * side_by_side;
        std::uint8_t reach[side_by_side];
        Set::queries_that_reach(of_block, block.vectors, bounds, reach);
        for (std::uint32_t q = 0; q < n_queries; ++q) {
            if (reach[q] == 0) continue;
            alignas(32) std::int32_t of_query[block_size];
            for (std::uint32_t v = 0; v < block_size; ++v)
                of_query[v] = v < block.vectors ? of_block[v * side_by_side + q] : 0;
            Set::take(scan, queries[q], block, of_query);
        }
    });
}

// Worth it from about here on: measured on Zen 3.
[[maybe_unused]] bool many(std::uint32_t n_queries, std::uint32_t n) noexcept {
    return n_queries > 3 && (n_queries - 2) * std::uint64_t{n} > 1000;
}

// Takes queries sixteen at a time while they are many; returns how many it took.
template <class Set>
std::uint32_t scan8_many(const Scan& scan) noexcept {
    alignas(64) Entries entries;
    alignas(64) SideSums sums;
    std::uint32_t q = 0;
    for (std::uint32_t n_queries; many(n_queries = min(side_by_side, scan.n_queries - q), scan.n); q += n_queries)
        for (std::uint32_t v = 0; v < scan.n; v += vectors_at_once)
            scan8_side_by_side<Set>(scan, scan.queries + q, n_queries, v, v + min(scan.n - v, vectors_at_once), entries,
                                    sums);
    return q;
}

// scan8: by scan8_many, and the rest by one(scan, query, first vector, end vector).
template <class Set, class One>
[[gnu::always_inline]] inline void scan8_by(const Scan& scan, One one) noexcept {
    const std::uint32_t done = scan.m <= elements_per_spill ? scan8_many<Set>(scan) : 0;
    Scan rest = scan;
    rest.queries += done;
    rest.n_queries -= done;
    for_chunks<2>(rest, 8, [&](ScanQuery* queries, std::uint32_t count, std::uint32_t first, std::uint32_t end) {
        for (std::uint32_t q = 0; q < count; ++q) one(rest, queries[q], first, end);
    });
}

}  // namespace
}  // namespace fewbits::kernels
