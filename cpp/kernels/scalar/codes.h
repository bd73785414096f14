// Sums over codes in blocks, written for clarity: what every other instruction set must reproduce bit for bit.
//
// Sums are exact in int32. They are added as unsigned numbers, so that inputs outside the documented range give the
// same wrapped sum on every instruction set, not undefined behaviour on one of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

inline std::uint32_t product(std::int32_t a, std::int32_t b) noexcept {
    return static_cast<std::uint32_t>(a * b);
}

// Element s of vector v: run s of block v / 32, position v % 32.
inline std::uint32_t code_at(const Scan& scan, std::uint32_t bits, std::uint32_t v, std::uint32_t s) noexcept {
    const std::uint32_t first = v / block_size * block_size;
    const std::uint32_t vectors = scan.n - first < block_size ? scan.n - first : block_size;
    const std::uint8_t* block = scan.codes + blocks_bytes(bits, scan.m, first);
    const std::uint8_t* run = block + s * run_bytes(bits, vectors);
    const std::uint32_t position = v - first;
    if (bits == 8) return run[position];
    return (run[position / 2] >> (position % 2 * 4)) & 15u;
}

// Passes the score of every vector for every query to `take`; term(query table, s, code) is the contribution of element
// s.
template <auto take = offer, class Term>
void scan_blocks(const Scan& scan, std::uint32_t bits, Term term) noexcept {
    for (std::uint32_t q = 0; q < scan.n_queries; ++q) {
        ScanQuery& query = scan.queries[q];
        for (std::uint32_t v = 0; v < scan.n; ++v) {
            std::uint32_t sum = 0;
            for (std::uint32_t s = 0; s < scan.m; ++s) sum += term(query.table, s, code_at(scan, bits, v, s));
            take(scan, query, static_cast<float>(static_cast<std::int32_t>(sum)), v);
        }
    }
}

}  // namespace
}  // namespace fewbits::kernels
