// Packed dot on NEON: codes become levels once per 32 queries, in the order of the products (products.h), which every
// query then multiplies by its own bytes. Bytes (dot8) are read as byte - 128, and 128 * sum(query) is added back.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/neon/products.h"
#include "kernels/neon/runs.h"
#include "kernels/neon/score.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t segment_dimensions = 256;  // 8 KiB of levels
constexpr std::uint32_t queries_per_decode = 32;

// One dimension of the 32 vectors of a block: of nibbles the even vectors, then the odd ones.
struct Row {
    uint8x16_t half[2];
};

[[gnu::always_inline]] inline Row nibbles_of(const std::uint8_t* run) noexcept {
    const uint8x16_t codes = load128(run);
    return {{vandq_u8(codes, vdupq_n_u8(15)), vshrq_n_u8(codes, 4)}};
}

[[gnu::always_inline]] inline Row look_up(uint8x16_t table, const Row& codes) noexcept {
    return {{vqtbl1q_u8(table, codes.half[0]), vqtbl1q_u8(table, codes.half[1])}};
}

[[gnu::always_inline]] inline Row operator|(const Row& a, const Row& b) noexcept {
    return {{vorrq_u8(a.half[0], b.half[0]), vorrq_u8(a.half[1], b.half[1])}};
}

// Levels whose sums are never multiplied.
struct OneDigit {
    static std::uint32_t end_of_digit(std::uint32_t, std::uint32_t end) noexcept { return end; }
    static bool multiplies(std::uint32_t) noexcept { return false; }
};

// What all levels that are read from nibbles have in common.
struct OfNibbles : OneDigit {
    static constexpr std::uint32_t element_bits = 4;
    static constexpr bool centred = false;

    static Sums in_order(const int32x4_t* sums) noexcept {
        Sums out;
        for (int g = 0; g < 4; ++g) {
            out.four[2 * g] = vzip1q_s32(sums[g], sums[4 + g]);
            out.four[2 * g + 1] = vzip2q_s32(sums[g], sums[4 + g]);
        }
        return out;
    }
};

// Levels{...}.quad(runs, s, count, rows): the levels of the `count` runs from s, at most a quad's, as rows of four
// dimensions; rows of dimensions that are missing are left as they are.
struct NibbleLevels : OfNibbles {
    static constexpr std::uint32_t runs_per_quad = 4;

    explicit NibbleLevels(const std::uint8_t* levels) noexcept : table(load128(levels)) {}

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t count,
                                     Row* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = look_up(table, nibbles_of(runs.at(s + i)));
    }

    uint8x16_t table;
};

// dot_bits: fields of 4, 2 and 1 bits, each looked up as what it adds to the level.
template <std::uint32_t bits>
struct BitLevels : OfNibbles {
    static constexpr std::uint32_t runs_per_quad = bits;

    explicit BitLevels(const std::uint8_t*) noexcept {
        std::uint8_t of_four[16], of_two[2][16], of_one[4][16];
        for (std::uint32_t code = 0; code < 16; ++code) {
            of_four[code] = static_cast<std::uint8_t>(code << (bits & 3));
            for (std::uint32_t j = 0; j < 2; ++j)
                of_two[j][code] = static_cast<std::uint8_t>((code >> (2 * j) & 3) << (bits & 1));
            for (std::uint32_t j = 0; j < 4; ++j) of_one[j][code] = static_cast<std::uint8_t>(code >> j & 1);
        }
        four = load128(of_four);
        for (std::uint32_t j = 0; j < 2; ++j) two[j] = load128(of_two[j]);
        for (std::uint32_t j = 0; j < 4; ++j) one[j] = load128(of_one[j]);
    }

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t, Row* rows) const noexcept {
        if constexpr ((bits & 4) != 0)
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = look_up(four, nibbles_of(runs.at(s + j)));
        if constexpr ((bits & 2) != 0) {
            const Row first = nibbles_of(runs.at(s + (bits & 4))), last = nibbles_of(runs.at(s + (bits & 4) + 1));
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = rows[j] | look_up(two[j % 2], j < 2 ? first : last);
        }
        if constexpr ((bits & 1) != 0) {
            const Row lowest = nibbles_of(runs.at(s + (bits & 6)));
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = rows[j] | look_up(one[j], lowest);
        }
    }

    uint8x16_t four, two[2], one[4];
};

// dot_digits: a digit of 2 bits of one quad after the other; sums are multiplied by 4 before some of them.
struct DigitLevels : BitLevels<2> {
    explicit DigitLevels(const std::uint8_t* flags) noexcept : BitLevels<2>(flags), before(flags) {}

    bool multiplies(std::uint32_t run) const noexcept { return before[run / 2] != 0; }
    // The first run after `begin` that sums are multiplied before, or `end`.
    std::uint32_t end_of_digit(std::uint32_t begin, std::uint32_t end) const noexcept {
        std::uint32_t run = begin + 2;
        while (run < end && !multiplies(run)) run += 2;
        return run < end ? run : end;
    }

    const std::uint8_t* before;
};

// Bytes less 128.
struct ByteLevels : OneDigit {
    static constexpr std::uint32_t element_bits = 8;
    static constexpr std::uint32_t runs_per_quad = 4;
    static constexpr bool centred = true;

    explicit ByteLevels(const std::uint8_t*) noexcept {}

    [[gnu::always_inline]] void quad(const Runs<8>& runs, std::uint32_t s, std::uint32_t count,
                                     Row* rows) const noexcept {
        const uint8x16_t top = vdupq_n_u8(128);
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint8_t* run = runs.at(s + i);
            rows[i] = {{veorq_u8(load128(run), top), veorq_u8(load128(run + 16), top)}};
        }
    }

    static Sums in_order(const int32x4_t* sums) noexcept {
        Sums out;
        for (int g = 0; g < 8; ++g) out.four[g] = sums[g];
        return out;
    }
};

// `count` runs from s, at most a quad's, as the eight registers of a quad; the dimensions that are missing are zero.
template <class Levels>
[[gnu::always_inline]] inline void decode_quad(const Levels& levels, const Runs<Levels::element_bits>& runs,
                                               std::uint32_t s, std::uint32_t count, uint8x16_t* quad) noexcept {
    const Row none = {{vdupq_n_u8(0), vdupq_n_u8(0)}};
    Row rows[4] = {none, none, none, none};
    levels.quad(runs, s, count, rows);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
        const uint8x16_t half[4] = {rows[0].half[h], rows[1].half[h], rows[2].half[h], rows[3].half[h]};
        interleave(half, quad + 4 * h);
    }
}

template <class Levels>
void decode_runs(const Levels& levels, const Runs<Levels::element_bits>& runs, std::uint32_t begin, std::uint32_t end,
                 uint8x16_t* quads) noexcept {
    constexpr std::uint32_t runs_per_quad = Levels::runs_per_quad;
    const Levels local = levels;  // in registers: the compiler cannot tell that the quads do not overwrite it
    std::uint32_t s = begin;
    for (; s + runs_per_quad <= end; s += runs_per_quad, quads += 8) decode_quad(local, runs, s, runs_per_quad, quads);
    if (s < end) decode_quad(local, runs, s, end - s, quads);
}

// Adds the dots of whole quads to each query's sums.
template <int n_queries>
[[gnu::noinline]] void add_quads(int32x4_t (*sums)[8], const uint8x16_t* quads, const std::int8_t* const* queries,
                                 std::uint32_t n_quads) noexcept {
    int32x4_t acc[n_queries][8];
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q)
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) acc[q][k] = vdupq_n_s32(0);
    for (std::size_t i = 0; i < n_quads; ++i) {
        QuadOfQuery query[n_queries];
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) query[q] = load_quad(queries[q] + 4 * i);
        add_products<n_queries>(acc, quads + 8 * i, query);
    }
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q)
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) sums[q][k] = vaddq_s32(sums[q][k], acc[q][k]);
}

// Any number of dimensions: the query of the last, partial quad is filled up with zeros.
template <int n_queries>
void add_dots(int32x4_t (*sums)[8], const uint8x16_t* quads, const std::int8_t* const* queries,
              std::uint32_t dimensions) noexcept {
    add_quads<n_queries>(sums, quads, queries, dimensions / 4);
    const std::uint32_t rest = dimensions % 4, whole = dimensions - rest;
    if (rest == 0) return;
    std::int8_t last[n_queries][4] = {};
    const std::int8_t* padded[n_queries];
    for (int q = 0; q < n_queries; ++q) {
        __builtin_memcpy(last[q], queries[q] + whole, rest);
        padded[q] = last[q];
    }
    add_quads<n_queries>(sums, quads + std::size_t{2} * whole, padded, 1);
}

// What dot8 subtracted from every level, times the query.
[[maybe_unused]] std::int32_t centre(const ScanQuery& query, std::uint32_t m) noexcept {
    std::uint32_t sum = 0;
    for (std::uint32_t j = 0; j < m; ++j)
        sum += static_cast<std::uint32_t>(static_cast<const std::int8_t*>(query.table)[j]);
    return static_cast<std::int32_t>(sum * 128);
}

[[gnu::always_inline]] inline void multiply_by_4(int32x4_t* sums) noexcept {
    for (int k = 0; k < 8; ++k) sums[k] = vshlq_n_s32(sums[k], 2);
}

// Turns the sums of a query over a block into hits, or into the greatest score so far.
struct TakeHits {
    static void take(const Scan& scan, ScanQuery& query, std::uint32_t, const CodeBlock& block,
                     const Sums& sums) noexcept {
        take_sums(scan, query, block, sums);
    }
    static void finish(ScanQuery*, std::uint32_t) noexcept {}
};

struct RaiseThresholds {
    RaiseThresholds() noexcept {
        for (float32x4_t& one : top) one = vdupq_n_f32(-__builtin_inff());
    }

    void take(const Scan& scan, const ScanQuery& query, std::uint32_t q, const CodeBlock& block,
              const Sums& sums) noexcept {
        float32x4_t acc[8];
        to_floats(sums, acc);
        top[q] = top_of_block(top[q], scan, query, block, acc);
    }
    void finish(ScanQuery* queries, std::uint32_t n_queries) const noexcept {
        for (std::uint32_t q = 0; q < n_queries; ++q) raise_to(queries[q], top[q]);
    }

    float32x4_t top[queries_per_decode];
};

template <class Levels, class Taker>
void dot_queries(const Scan& scan, const Levels& levels, ScanQuery* queries, std::uint32_t n_queries) noexcept {
    constexpr std::uint32_t runs_per_segment = segment_dimensions / 4 * Levels::runs_per_quad;
    uint8x16_t quads[2 * segment_dimensions];
    int32x4_t sums[queries_per_decode][8];
    std::int32_t centres[queries_per_decode] = {};
    for (std::uint32_t q = 0; Levels::centred && q < n_queries; ++q) centres[q] = centre(queries[q], scan.m);
    Taker taker;

    for_blocks(scan, Levels::element_bits, 0, scan.n, [&](const CodeBlock& block, const std::uint8_t* codes) {
        const Runs<Levels::element_bits> runs(codes, block.vectors, scan.m);
        for (std::uint32_t q = 0; q < n_queries; ++q)
            for (int k = 0; k < 8; ++k) sums[q][k] = vdupq_n_s32(centres[q]);
        std::uint32_t end = 0;
        for (std::uint32_t begin = 0; begin < scan.m; begin = end) {
            end = levels.end_of_digit(begin, min(begin + runs_per_segment, scan.m));
            if (levels.multiplies(begin))
                for (std::uint32_t q = 0; q < n_queries; ++q) multiply_by_4(sums[q]);
            const std::uint32_t dimensions = (end - begin) * 4 / Levels::runs_per_quad;
            decode_runs(levels, runs, begin, end, quads);
            const auto table = [&](std::uint32_t q) {
                return static_cast<const std::int8_t*>(queries[q].table)
                       + std::size_t{begin} * 4 / Levels::runs_per_quad;
            };
            std::uint32_t q = 0;
            for (; q + 2 <= n_queries; q += 2) {
                const std::int8_t* const tables[2] = {table(q), table(q + 1)};
                add_dots<2>(sums + q, quads, tables, dimensions);
            }
            if (q < n_queries) {
                const std::int8_t* const tables[1] = {table(q)};
                add_dots<1>(sums + q, quads, tables, dimensions);
            }
        }
        for (std::uint32_t q = 0; q < n_queries; ++q) taker.take(scan, queries[q], q, block, Levels::in_order(sums[q]));
    });
    taker.finish(queries, n_queries);
}

template <class Levels, class Taker = TakeHits>
void packed_dot(const Scan& scan) noexcept {
    const Levels levels(scan.levels);
    for (std::uint32_t q = 0; q < scan.n_queries; q += queries_per_decode)
        dot_queries<Levels, Taker>(scan, levels, scan.queries + q, min(queries_per_decode, scan.n_queries - q));
}

void dot4(const Scan& scan) noexcept {
    packed_dot<NibbleLevels>(scan);
}
template <std::uint32_t bits>
void dot_of_bits(const Scan& scan) noexcept {
    packed_dot<BitLevels<bits>>(scan);
}
void dot_digits(const Scan& scan) noexcept {
    packed_dot<DigitLevels>(scan);
}
void dot8(const Scan& scan) noexcept {
    packed_dot<ByteLevels>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    packed_dot<NibbleLevels, RaiseThresholds>(scan);
}
void max_dot8(const Scan& scan) noexcept {
    packed_dot<ByteLevels, RaiseThresholds>(scan);
}

}  // namespace
}  // namespace fewbits::kernels
