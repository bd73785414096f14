// The integer kernels, written for reading: what every other instruction set must reproduce bit by bit.
//
// Sums are exact in int32. They are added as unsigned numbers, so that a caller who leaves the documented range gets
// the wrapped sum on every instruction set alike, not undefined behaviour on one of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

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

inline std::uint32_t product(std::int32_t a, std::int32_t b) noexcept {
    return static_cast<std::uint32_t>(a * b);
}

// Score of every vector for every query, given to `take`; term(query table, s, code) is what element s adds to the sum.
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

void scan4(const Scan& scan) noexcept {
    scan_blocks(scan, 4, [](const void* table, std::uint32_t s, std::uint32_t code) -> std::uint32_t {
        return static_cast<const std::uint8_t*>(table)[std::size_t{s} * 16 + code];
    });
}

void scan8(const Scan& scan) noexcept {
    scan_blocks(scan, 8, [](const void* table, std::uint32_t s, std::uint32_t code) -> std::uint32_t {
        return static_cast<const std::uint8_t*>(table)[std::size_t{s} * 256 + code];
    });
}

template <auto take>
void dot_nibbles(const Scan& scan) noexcept {
    scan_blocks<take>(scan, 4, [&scan](const void* table, std::uint32_t s, std::uint32_t code) {
        return product(static_cast<const std::int8_t*>(table)[s], scan.levels[code]);
    });
}

void dot4(const Scan& scan) noexcept {
    dot_nibbles<offer>(scan);
}

// Run s is the (s % bits)-th of its quad: of the fields of 4, 2 and 1 bits that make up `bits`, high ones first, those
// of 4 / width dimensions.
template <std::uint32_t bits>
void dot_bits(const Scan& scan) noexcept {
    scan_blocks(scan, 4, [](const void* table, std::uint32_t s, std::uint32_t code) {
        std::uint32_t run = s % bits, width = 4;
        while ((bits & width) == 0 || run >= width) {
            if ((bits & width) != 0) run -= width;
            width /= 2;
        }
        const std::uint32_t dimensions = 4 / width, low_bits = bits & (width - 1);
        const std::int8_t* query = static_cast<const std::int8_t*>(table) + s / bits * 4 + run * dimensions;
        std::uint32_t sum = 0;
        for (std::uint32_t j = 0; j < dimensions; ++j) {
            const std::uint32_t field = (code >> (j * width)) & ((1u << width) - 1);
            sum += product(query[j], static_cast<std::int32_t>(field << low_bits));
        }
        return sum;
    });
}

template <auto take>
void dot_bytes(const Scan& scan) noexcept {
    scan_blocks<take>(scan, 8, [](const void* table, std::uint32_t s, std::uint32_t code) {
        return product(static_cast<const std::int8_t*>(table)[s], static_cast<std::int32_t>(code));
    });
}

void dot8(const Scan& scan) noexcept {
    dot_bytes<offer>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    dot_nibbles<raise>(scan);
}
void max_dot8(const Scan& scan) noexcept {
    dot_bytes<raise>(scan);
}

// One integer per listed row; level(i, row, j) is the level of dimension j of the i-th listed row, which starts at row.
template <class Level>
void dot_rows(const Rows& rows, Level level) noexcept {
    const std::int16_t* query = static_cast<const std::int16_t*>(rows.query);
    std::int32_t* out = static_cast<std::int32_t*>(rows.out);
    for (std::uint32_t i = 0; i < rows.n; ++i) {
        const std::uint8_t* row = rows.base + (rows.rows != nullptr ? rows.rows[i] : i) * rows.stride;
        std::uint32_t sum = 0;
        for (std::uint32_t j = 0; j < rows.dim; ++j) sum += product(query[j], level(i, row, j));
        out[i] = static_cast<std::int32_t>(sum);
    }
}

void rows_dot4(const Rows& rows) noexcept {
    dot_rows(rows, [&rows](std::uint32_t, const std::uint8_t* row, std::uint32_t j) {
        return rows.levels[(row[j / 2] >> (j % 2 * 4)) & 15];
    });
}

void rows_dot8(const Rows& rows) noexcept {
    dot_rows(rows, [](std::uint32_t, const std::uint8_t* row, std::uint32_t j) { return row[j]; });
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) noexcept {
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    dot_rows(rows, [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j) {
        const auto bit = [j](const std::uint8_t* plane) {
            return (static_cast<std::uint32_t>(plane[j / 8]) >> (j % 8)) & 1u;
        };
        std::uint32_t code = bit(high + i * high_stride);
        for (std::uint32_t p = 1; p < bits; ++p) code = code * 2 + bit(row + (p - 1) * plane_bytes);
        return rows.levels[code];
    });
}

void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
              std::uint8_t* out) noexcept {
    const std::size_t stride = run_bytes(4, vectors);
    const auto nibble = [&](std::uint32_t s) { return (block[s * stride + v / 2] >> (v % 2 * 4)) & 15; };
    for (std::uint32_t s = 0; s < m; s += 2)
        out[s / 2] = static_cast<std::uint8_t>(nibble(s) | (s + 1 < m ? nibble(s + 1) << 4 : 0));
}

}  // namespace
}  // namespace fewbits::kernels
