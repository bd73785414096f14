// Packed dot on AVX2 and NEON: codes become levels once per 32 queries, in quads (four dimensions of each vector of a
// block), which every query then multiplies by four of its own bytes. Bytes (dot8) are read as byte - 128, and
// 128 * sum(query) is added back. Everything here is local to the including file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/code_blocks.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t segment_dimensions = 256;  // 8 KiB of levels
constexpr std::uint32_t queries_per_decode = 32;

// Set has the types and functions of an instruction set:
//
// - Row: one dimension of the 32 vectors of a block; of nibbles the even vectors, then the odd ones. Rows combine by |.
// - nibbles_of(run), bytes_less_128(run): a run of codes as a Row.
// - Table, table_of(sixteen bytes), look_up(table, nibbles): a Row of what nibbles stand for.
// - Register, Sum, registers: a quad of a block takes as many registers as its sums.
// - interleave(rows, quad): four Rows as a quad.
// - add_quads<n_queries, is_signed>(sums, quads, queries, n_quads): adds the dots of whole quads to queries' sums.
// - all(number), multiply_by_4(sums): of Sum.
// - nibbles_in_order(sums), bytes_in_order(sums): one number per vector, in their order.

// Levels whose sums are never multiplied.
template <class Set_>
struct OneDigit {
    using Set = Set_;
    static std::uint32_t end_of_digit(std::uint32_t, std::uint32_t end) noexcept { return end; }
    static bool multiplies(std::uint32_t) noexcept { return false; }
};

// What all levels that are read from nibbles have in common.
template <class Set>
struct OfNibbles : OneDigit<Set> {
    static constexpr std::uint32_t element_bits = 4;
    static constexpr bool is_signed = false;

    static auto in_order(const typename Set::Sum* sums) noexcept { return Set::nibbles_in_order(sums); }
};

// Levels{...}.quad(runs, s, count, rows): the levels of the `count` runs from s, at most a quad's, as rows of four
// dimensions; rows of dimensions that are missing are left as they are.
template <class Set>
struct NibbleLevels : OfNibbles<Set> {
    static constexpr std::uint32_t runs_per_quad = 4;

    explicit NibbleLevels(const std::uint8_t* levels) noexcept : table(Set::table_of(levels)) {}

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t count,
                                     typename Set::Row* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = Set::look_up(table, Set::nibbles_of(runs.at(s + i)));
    }

    typename Set::Table table;
};

// dot_bits: fields of 4, 2 and 1 bits, each looked up as what it adds to the level.
template <class Set, std::uint32_t bits>
struct BitLevels : OfNibbles<Set> {
    static constexpr std::uint32_t runs_per_quad = bits;

    explicit BitLevels(const std::uint8_t*) noexcept {
        std::uint8_t of_four[16], of_two[2][16], of_one[4][16];
        for (std::uint32_t code = 0; code < 16; ++code) {
            of_four[code] = static_cast<std::uint8_t>(code << (bits & 3));
            for (std::uint32_t j = 0; j < 2; ++j)
                of_two[j][code] = static_cast<std::uint8_t>((code >> (2 * j) & 3) << (bits & 1));
            for (std::uint32_t j = 0; j < 4; ++j) of_one[j][code] = static_cast<std::uint8_t>(code >> j & 1);
        }
        four = Set::table_of(of_four);
        for (std::uint32_t j = 0; j < 2; ++j) two[j] = Set::table_of(of_two[j]);
        for (std::uint32_t j = 0; j < 4; ++j) one[j] = Set::table_of(of_one[j]);
    }

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t,
                                     typename Set::Row* rows) const noexcept {
        if constexpr ((bits & 4) != 0)
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = Set::look_up(four, Set::nibbles_of(runs.at(s + j)));
        if constexpr ((bits & 2) != 0) {
            const typename Set::Row first = Set::nibbles_of(runs.at(s + (bits & 4)));
            const typename Set::Row last = Set::nibbles_of(runs.at(s + (bits & 4) + 1));
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = rows[j] | Set::look_up(two[j % 2], j < 2 ? first : last);
        }
        if constexpr ((bits & 1) != 0) {
            const typename Set::Row lowest = Set::nibbles_of(runs.at(s + (bits & 6)));
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = rows[j] | Set::look_up(one[j], lowest);
        }
    }

    typename Set::Table four, two[2], one[4];
};

// dot_digits: a digit of 2 bits of one quad after the other; sums are multiplied by 4 before some of them.
template <class Set>
struct DigitLevels : BitLevels<Set, 2> {
    explicit DigitLevels(const std::uint8_t* flags) noexcept : BitLevels<Set, 2>(flags), before(flags) {}

    bool multiplies(std::uint32_t run) const noexcept { return before[run / 2] != 0; }
    // The first run after `begin` that sums are multiplied before, or `end`.
    std::uint32_t end_of_digit(std::uint32_t begin, std::uint32_t end) const noexcept {
        std::uint32_t run = begin + 2;
        while (run < end && !multiplies(run)) run += 2;
        return run < end ? run : end;
    }

    const std::uint8_t* before;
};

// What all levels that are read from bytes have in common.
template <class Set>
struct OfBytes : OneDigit<Set> {
    static constexpr std::uint32_t element_bits = 8;
    static constexpr std::uint32_t runs_per_quad = 4;

    static auto in_order(const typename Set::Sum* sums) noexcept { return Set::bytes_in_order(sums); }
};

template <class Set>
struct BytesLess128 : OfBytes<Set> {
    static constexpr bool is_signed = true;

    explicit BytesLess128(const std::uint8_t*) noexcept {}

    [[gnu::always_inline]] void quad(const Runs<8>& runs, std::uint32_t s, std::uint32_t count,
                                     typename Set::Row* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = Set::bytes_less_128(runs.at(s + i));
    }
};

// `count` runs from s, at most a quad's, as a quad; the dimensions that are missing are zero.
template <class Levels>
[[gnu::always_inline]] inline void decode_quad(const Levels& levels, const Runs<Levels::element_bits>& runs,
                                               std::uint32_t s, std::uint32_t count,
                                               typename Levels::Set::Register* quad) noexcept {
    typename Levels::Set::Row rows[4] = {};
    levels.quad(runs, s, count, rows);
    Levels::Set::interleave(rows, quad);
}

template <class Levels>
void decode_runs(const Levels& levels, const Runs<Levels::element_bits>& runs, std::uint32_t begin, std::uint32_t end,
                 std::size_t ahead, typename Levels::Set::Register* quads) noexcept {
    constexpr std::uint32_t runs_per_quad = Levels::runs_per_quad;
    constexpr std::size_t quad_bytes = run_bytes(Levels::element_bits, block_size) * runs_per_quad;
    const Levels local = levels;  // in registers: the compiler cannot tell that the quads do not overwrite it
    std::uint32_t s = begin;
    for (; s + runs_per_quad <= end; s += runs_per_quad, quads += Levels::Set::registers) {
        fetch<quad_bytes>(runs.codes + s * runs.stride + ahead);
        decode_quad(local, runs, s, runs_per_quad, quads);
    }
    if (s < end) decode_quad(local, runs, s, end - s, quads);
}

// Any number of dimensions: the query of the last, partial quad is filled up with zeros.
template <class Set, int n_queries, bool is_signed>
void add_dots(typename Set::Sum (*sums)[Set::registers], const typename Set::Register* quads,
              const std::int8_t* const* queries, std::uint32_t dimensions) noexcept {
    Set::template add_quads<n_queries, is_signed>(sums, quads, queries, dimensions / 4);
    const std::uint32_t rest = dimensions % 4, whole = dimensions - rest;
    if (rest == 0) return;
    std::int8_t last[n_queries][4] = {};
    const std::int8_t* padded[n_queries];
    for (int q = 0; q < n_queries; ++q) {
        __builtin_memcpy(last[q], queries[q] + whole, rest);
        padded[q] = last[q];
    }
    Set::template add_quads<n_queries, is_signed>(sums, quads + std::size_t{whole} / 4 * Set::registers, padded, 1);
}

// Adds the dots of all queries, two at a time.
template <class Set, bool is_signed>
struct TwoQueries {
    TwoQueries(const Scan&, const ScanQuery*, std::uint32_t, std::int32_t) noexcept {}

    // begin: the entry of the queries that the quads begin with.
    void operator()(typename Set::Sum (*sums)[Set::registers], const typename Set::Register* quads,
                    const ScanQuery* queries, std::uint32_t n_queries, std::size_t begin,
                    std::uint32_t dimensions) const noexcept {
        const auto entries = [&](std::uint32_t q) { return static_cast<const std::int8_t*>(queries[q].table) + begin; };
        std::uint32_t q = 0;
        for (; q + 2 <= n_queries; q += 2) {
            const std::int8_t* const two[2] = {entries(q), entries(q + 1)};
            add_dots<Set, 2, is_signed>(sums + q, quads, two, dimensions);
        }
        if (q < n_queries) {
            const std::int8_t* const one[1] = {entries(q)};
            add_dots<Set, 1, is_signed>(sums + q, quads, one, dimensions);
        }
    }
};

// What BytesLess128 subtracted from every level, times the query.
[[maybe_unused]] std::int32_t centre(const ScanQuery& query, std::uint32_t m) noexcept {
    std::uint32_t sum = 0;
    for (std::uint32_t j = 0; j < m; ++j)
        sum += static_cast<std::uint32_t>(static_cast<const std::int8_t*>(query.table)[j]);
    return static_cast<std::int32_t>(sum * 128);
}

template <class Levels, class Taker, class Adder>
void dot_queries(const Scan& scan, const Levels& levels, std::int32_t max_level, ScanQuery* queries,
                 std::uint32_t n_queries) noexcept {
    using Set = typename Levels::Set;
    constexpr std::uint32_t runs_per_quad = Levels::runs_per_quad;
    constexpr std::uint32_t runs_per_segment = segment_dimensions / 4 * runs_per_quad;
    alignas(32) typename Set::Register quads[segment_dimensions / 4 * Set::registers];
    alignas(32) typename Set::Sum sums[queries_per_decode][Set::registers];
    std::int32_t centres[queries_per_decode] = {};
    for (std::uint32_t q = 0; Levels::is_signed && q < n_queries; ++q) centres[q] = centre(queries[q], scan.m);
    const Adder add_dots_of(scan, queries, n_queries, max_level);
    Taker taker;

    for_blocks(scan, Levels::element_bits, 0, scan.n, [&](const CodeBlock& block, const std::uint8_t* codes) {
        const Runs<Levels::element_bits> runs(codes, block.vectors, scan.m);
        for (std::uint32_t q = 0; q < n_queries; ++q)
            for (int k = 0; k < Set::registers; ++k) sums[q][k] = Set::all(centres[q]);
        std::uint32_t end = 0;
        for (std::uint32_t begin = 0; begin < scan.m; begin = end) {
            end = levels.end_of_digit(begin, min(begin + runs_per_segment, scan.m));
            if (levels.multiplies(begin))
                for (std::uint32_t q = 0; q < n_queries; ++q) Set::multiply_by_4(sums[q]);
            decode_runs(levels, runs, begin, end, block.ahead, quads);
            add_dots_of(sums, quads, queries, n_queries, std::size_t{begin} * 4 / runs_per_quad,
                        (end - begin) * 4 / runs_per_quad);
        }
        for (std::uint32_t q = 0; q < n_queries; ++q) taker.take(scan, queries[q], q, block, Levels::in_order(sums[q]));
    });
    taker.finish(queries, n_queries);
}

// Taker: turns the sums of a query over a block into hits, or into the greatest score so far. max_level: for Adder.
template <class Levels, class Taker, class Adder = TwoQueries<typename Levels::Set, Levels::is_signed>>
void packed_dot(const Scan& scan, std::int32_t max_level = 0) noexcept {
    const Levels levels(scan.levels);
    for (std::uint32_t q = 0; q < scan.n_queries; q += queries_per_decode)
        dot_queries<Levels, Taker, Adder>(scan, levels, max_level, scan.queries + q,
                                          min(queries_per_decode, scan.n_queries - q));
}

// take_sums(scan, query, block, sums in order) is the instruction set's.
struct TakeHits {
    template <class Ordered>
    static void take(const Scan& scan, ScanQuery& query, std::uint32_t, const CodeBlock& block,
                     const Ordered& sums) noexcept {
        take_sums(scan, query, block, sums);
    }
    static void finish(ScanQuery*, std::uint32_t) noexcept {}
};

}  // namespace
}  // namespace fewbits::kernels
