// Packed dot on AVX2: codes become levels once per 32 queries, in quads (four dimensions of a vector side by side),
// which every query then multiplies by four of its own bytes.
//
// No product saturates: |level * query| <= 128 * 127, twice that fits 16 bits. Bytes (dot8) are read as byte - 128, and
// 128 * sum(query) is added back. Maxima of queries that allow it (words_hold) sum two quads in 16 bits, bytes as they
// are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>
#include <initializer_list>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/scan4.h"
#include "kernels/avx2/score.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t segment_dimensions = 256;  // 8 KiB of levels
constexpr std::uint32_t queries_per_decode = 32;

using Ints [[gnu::vector_size(32)]] = std::int32_t;  // a type of its own for the reason that Words has

// A run of nibbles: the low ones (vectors 0, 2, ...) in the lower lane, the others in the upper one.
[[gnu::always_inline]] inline __m256i nibbles_of(const std::uint8_t* run) noexcept {
    const __m256i shifts = _mm256_setr_epi64x(0, 0, 4, 4);
    return _mm256_and_si256(_mm256_srlv_epi64(broadcast128(run), shifts), _mm256_set1_epi8(15));
}

// Levels whose sums are never multiplied.
struct OneDigit {
    static std::uint32_t end_of_digit(std::uint32_t, std::uint32_t end) noexcept { return end; }
    static bool multiplies(std::uint32_t) noexcept { return false; }
};

// What all levels that are read from nibbles have in common.
struct OfNibbles : OneDigit {
    static constexpr std::uint32_t element_bits = 4;
    static constexpr bool is_signed = false;

    static Sums in_order(const __m256i* sums) noexcept {
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        Sums out;
        for (int g = 0; g < 4; ++g) out.eight[g] = _mm256_permutevar8x32_epi32(sums[g], order);
        return out;
    }
};

// Levels{...}.quad(runs, s, count, rows): the levels of the `count` runs from s, at most a quad's, as rows of four
// dimensions; rows of dimensions that are missing are left as they are.
struct NibbleLevels : OfNibbles {
    static constexpr std::uint32_t runs_per_quad = 4;

    explicit NibbleLevels(const std::uint8_t* levels) noexcept : table(broadcast128(levels)) {}

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t count,
                                     __m256i* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = _mm256_shuffle_epi8(table, nibbles_of(runs.at(s + i)));
    }

    __m256i table;
};

// dot_bits: fields of 4, 2 and 1 bits, each looked up as what it adds to the level.
template <std::uint32_t bits>
struct BitLevels : OfNibbles {
    static constexpr std::uint32_t runs_per_quad = bits;

    explicit BitLevels(const std::uint8_t*) noexcept {
        alignas(16) std::uint8_t of_four[16], of_two[2][16], of_one[4][16];
        for (std::uint32_t code = 0; code < 16; ++code) {
            of_four[code] = static_cast<std::uint8_t>(code << (bits & 3));
            for (std::uint32_t j = 0; j < 2; ++j)
                of_two[j][code] = static_cast<std::uint8_t>((code >> (2 * j) & 3) << (bits & 1));
            for (std::uint32_t j = 0; j < 4; ++j) of_one[j][code] = static_cast<std::uint8_t>(code >> j & 1);
        }
        four = broadcast128(of_four);
        for (std::uint32_t j = 0; j < 2; ++j) two[j] = broadcast128(of_two[j]);
        for (std::uint32_t j = 0; j < 4; ++j) one[j] = broadcast128(of_one[j]);
    }

    [[gnu::always_inline]] void quad(const Runs<4>& runs, std::uint32_t s, std::uint32_t,
                                     __m256i* rows) const noexcept {
        if constexpr ((bits & 4) != 0)
            for (std::uint32_t j = 0; j < 4; ++j) rows[j] = _mm256_shuffle_epi8(four, nibbles_of(runs.at(s + j)));
        if constexpr ((bits & 2) != 0) {
            const __m256i first = nibbles_of(runs.at(s + (bits & 4))), last = nibbles_of(runs.at(s + (bits & 4) + 1));
            for (std::uint32_t j = 0; j < 4; ++j)
                rows[j] = _mm256_or_si256(rows[j], _mm256_shuffle_epi8(two[j % 2], j < 2 ? first : last));
        }
        if constexpr ((bits & 1) != 0) {
            const __m256i lowest = nibbles_of(runs.at(s + (bits & 6)));
            for (std::uint32_t j = 0; j < 4; ++j)
                rows[j] = _mm256_or_si256(rows[j], _mm256_shuffle_epi8(one[j], lowest));
        }
    }

    __m256i four, two[2], one[4];
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

// centred: bytes less 128, for queries of any size; otherwise as they are, for queries whose words hold them.
template <bool centred>
struct ByteLevels : OneDigit {
    static constexpr std::uint32_t element_bits = 8;
    static constexpr std::uint32_t runs_per_quad = 4;
    static constexpr bool is_signed = centred;

    explicit ByteLevels(const std::uint8_t*) noexcept {}

    [[gnu::always_inline]] void quad(const Runs<8>& runs, std::uint32_t s, std::uint32_t count,
                                     __m256i* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) {
            const __m256i bytes = load256(runs.at(s + i));
            rows[i] = centred ? _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(0x80))) : bytes;
        }
    }

    static Sums in_order(const __m256i* sums) noexcept {
        return {{_mm256_permute2x128_si256(sums[0], sums[1], 0x20), _mm256_permute2x128_si256(sums[2], sums[3], 0x20),
                 _mm256_permute2x128_si256(sums[0], sums[1], 0x31), _mm256_permute2x128_si256(sums[2], sums[3], 0x31)}};
    }
};

// Four dimensions of 32 vectors, transposed within 128-bit lanes: quads[k] holds vectors 4k .. 4k + 3 of each lane.
[[gnu::always_inline]] inline void transpose(const __m256i* rows, __m256i* quads) noexcept {
    const __m256i a = _mm256_unpacklo_epi8(rows[0], rows[1]), b = _mm256_unpackhi_epi8(rows[0], rows[1]);
    const __m256i c = _mm256_unpacklo_epi8(rows[2], rows[3]), d = _mm256_unpackhi_epi8(rows[2], rows[3]);
    quads[0] = _mm256_unpacklo_epi16(a, c);
    quads[1] = _mm256_unpackhi_epi16(a, c);
    quads[2] = _mm256_unpacklo_epi16(b, d);
    quads[3] = _mm256_unpackhi_epi16(b, d);
}

// `count` runs from s, at most a quad's, as a quad; the dimensions that are missing are zero.
template <class Levels>
[[gnu::always_inline]] inline void decode_quad(const Levels& levels, const Runs<Levels::element_bits>& runs,
                                               std::uint32_t s, std::uint32_t count, __m256i* quads) noexcept {
    __m256i rows[4] = {};
    levels.quad(runs, s, count, rows);
    transpose(rows, quads);
}

template <class Levels>
void decode_runs(const Levels& levels, const Runs<Levels::element_bits>& runs, std::uint32_t begin, std::uint32_t end,
                 __m256i* quads) noexcept {
    constexpr std::uint32_t runs_per_quad = Levels::runs_per_quad;
    const Levels local = levels;  // in registers: the compiler cannot tell that the quads do not overwrite it
    std::uint32_t s = begin;
    for (; s + runs_per_quad <= end; s += runs_per_quad, quads += 4) decode_quad(local, runs, s, runs_per_quad, quads);
    if (s < end) decode_quad(local, runs, s, end - s, quads);
}

template <int n_queries, bool is_signed>
[[gnu::always_inline]] inline void multiply(Ints (*acc)[4], const __m256i* quads, const std::int32_t* query) noexcept {
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        const __m256i x = _mm256_load_si256(quads + k);
        const __m256i magnitude = is_signed ? _mm256_abs_epi8(x) : x;
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) {
            const __m256i y = _mm256_set1_epi32(query[q]);
            const __m256i products = _mm256_maddubs_epi16(magnitude, is_signed ? _mm256_sign_epi8(y, x) : y);
            acc[q][k] += reinterpret_cast<Ints>(_mm256_madd_epi16(products, ones));
        }
    }
}

// Adds the dots of whole quads to each query's sums.
template <int n_queries, bool is_signed>
[[gnu::noinline]] void add_quads(__m256i (*sums)[4], const __m256i* quads, const std::int8_t* const* queries,
                                 std::uint32_t n_quads) noexcept {
    Ints acc[n_queries][4] = {};
    for (std::size_t i = 0; i < n_quads; ++i) {
        std::int32_t query[n_queries];
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) __builtin_memcpy(query + q, queries[q] + 4 * i, 4);
        multiply<n_queries, is_signed>(acc, quads + 4 * i, query);
    }
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) sums[q][k] = _mm256_add_epi32(sums[q][k], reinterpret_cast<__m256i>(acc[q][k]));
}

// Any number of dimensions: the query of the last, partial quad is filled up with zeros.
template <int n_queries, bool is_signed>
void add_dots(__m256i (*sums)[4], const __m256i* quads, const std::int8_t* const* queries,
              std::uint32_t dimensions) noexcept {
    add_quads<n_queries, is_signed>(sums, quads, queries, dimensions / 4);
    const std::uint32_t rest = dimensions % 4, whole = dimensions - rest;
    if (rest == 0) return;
    std::int8_t last[n_queries][4] = {};
    const std::int8_t* padded[n_queries];
    for (int q = 0; q < n_queries; ++q) {
        __builtin_memcpy(last[q], queries[q] + whole, rest);
        padded[q] = last[q];
    }
    add_quads<n_queries, is_signed>(sums, quads + whole, padded, 1);
}

// The same of one query whose words hold two quads: half as many multiplications by one. Its entries are broadcast from
// memory, and the levels are read once a query: more queries at once would need more registers than there are.
[[gnu::noinline]] inline void add_pairs_of_quads(__m256i* sums, const __m256i* quads, const std::int8_t* query,
                                                 std::uint32_t n_pairs) noexcept {
    const __m256i ones = _mm256_set1_epi16(1);
    const auto entries = [](const std::int8_t* four) noexcept {
        return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(four)));
    };
    Ints acc[4] = {};
    for (; n_pairs > 0; --n_pairs, quads += 8, query += 8) {
        const __m256i y = entries(query), z = entries(query + 4);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
            const __m256i products = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_load_si256(quads + k), y),
                                                      _mm256_maddubs_epi16(_mm256_load_si256(quads + 4 + k), z));
            acc[k] += reinterpret_cast<Ints>(_mm256_madd_epi16(products, ones));
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) sums[k] = _mm256_add_epi32(sums[k], reinterpret_cast<__m256i>(acc[k]));
}

// What dot8 subtracted from every level, times the query.
[[maybe_unused]] std::int32_t centre(const ScanQuery& query, std::uint32_t m) noexcept {
    std::uint32_t sum = 0;
    for (std::uint32_t j = 0; j < m; ++j)
        sum += static_cast<std::uint32_t>(static_cast<const std::int8_t*>(query.table)[j]);
    return static_cast<std::int32_t>(sum * 128);
}

// The greatest sum of positive entries, or of negated negative ones, that a word of two quads multiplies.
[[maybe_unused]] std::int32_t greatest_word(const std::int8_t* query, std::uint32_t m) noexcept {
    const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1);
    __m256i greatest = zero;
    for (std::uint32_t j = 0; j < m; j += 32) {
        alignas(32) std::int8_t padded[32] = {};
        const bool whole = j + 32 <= m;
        if (!whole) __builtin_memcpy(padded, query + j, m - j);
        const __m256i y = load256(whole ? query + j : padded);
        for (const __m256i part : {_mm256_max_epi8(y, zero), _mm256_max_epi8(_mm256_sub_epi8(zero, y), zero)}) {
            const __m256i pairs = _mm256_maddubs_epi16(ones, part);
            greatest = _mm256_max_epi16(greatest, _mm256_add_epi16(pairs, _mm256_srli_epi64(pairs, 32)));
        }
    }
    const Words words = reinterpret_cast<Words>(greatest);
    std::int32_t out = 0;
    for (int i = 0; i < 16; ++i) out = words[i] > out ? words[i] : out;
    return out;
}

// Whether two quads' products with levels up to `level` always fit 16 bits together.
[[maybe_unused]] bool words_hold(const ScanQuery& query, std::uint32_t m, std::int32_t level) noexcept {
    return greatest_word(static_cast<const std::int8_t*>(query.table), m) * level <= 32767;
}

[[gnu::always_inline]] inline void multiply_by_4(__m256i* sums) noexcept {
    for (int k = 0; k < 4; ++k) sums[k] = _mm256_slli_epi32(sums[k], 2);
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
        for (__m256& one : top) one = _mm256_set1_ps(-__builtin_inff());
    }

    void take(const Scan& scan, const ScanQuery& query, std::uint32_t q, const CodeBlock& block,
              const Sums& sums) noexcept {
        __m256 acc[4];
        for (int g = 0; g < 4; ++g) acc[g] = _mm256_cvtepi32_ps(sums.eight[g]);
        top[q] = top_of_block(top[q], scan, query, block.first, block.vectors, block.wanted, acc);
    }
    void finish(ScanQuery* queries, std::uint32_t n_queries) const noexcept {
        for (std::uint32_t q = 0; q < n_queries; ++q) raise_to(queries[q], top[q]);
    }

    __m256 top[queries_per_decode];
};

// in_words: two quads at a time, by queries that allow it with levels up to `level` (0: all do).
template <class Levels, class Taker, bool in_words>
void dot_queries(const Scan& scan, const Levels& levels, std::int32_t level, ScanQuery* queries,
                 std::uint32_t n_queries) noexcept {
    constexpr bool is_signed = Levels::is_signed;
    constexpr std::uint32_t runs_per_segment = segment_dimensions / 4 * Levels::runs_per_quad;
    alignas(32) __m256i quads[segment_dimensions];
    alignas(32) __m256i sums[queries_per_decode][4];
    std::int32_t centres[queries_per_decode] = {};
    for (std::uint32_t q = 0; is_signed && q < n_queries; ++q) centres[q] = centre(queries[q], scan.m);
    bool holds[queries_per_decode] = {};
    for (std::uint32_t q = 0; in_words && q < n_queries; ++q)
        holds[q] = level == 0 || words_hold(queries[q], scan.m, level);
    Taker taker;

    for_blocks(scan, Levels::element_bits, 0, scan.n, [&](const CodeBlock& block, const std::uint8_t* codes) {
        const Runs<Levels::element_bits> runs(codes, block.vectors, scan.m);
        for (std::uint32_t q = 0; q < n_queries; ++q)
            for (int k = 0; k < 4; ++k) sums[q][k] = _mm256_set1_epi32(centres[q]);
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
            for (; in_words && q < n_queries; ++q) {
                const std::uint32_t paired = holds[q] ? dimensions / 8 * 8 : 0;
                add_pairs_of_quads(sums[q], quads, table(q), paired / 8);
                const std::int8_t* const rest[1] = {table(q) + paired};
                if (paired < dimensions) add_dots<1, is_signed>(sums + q, quads + paired, rest, dimensions - paired);
            }
            for (; q + 2 <= n_queries; q += 2) {
                const std::int8_t* const tables[2] = {table(q), table(q + 1)};
                add_dots<2, is_signed>(sums + q, quads, tables, dimensions);
            }
            if (q < n_queries) {
                const std::int8_t* const tables[1] = {table(q)};
                add_dots<1, is_signed>(sums + q, quads, tables, dimensions);
            }
        }
        for (std::uint32_t q = 0; q < n_queries; ++q) taker.take(scan, queries[q], q, block, Levels::in_order(sums[q]));
    });
    taker.finish(queries, n_queries);
}

template <class Levels, class Taker = TakeHits, bool in_words = false>
void packed_dot(const Scan& scan, std::int32_t level = 0) noexcept {
    const Levels levels(scan.levels);
    for (std::uint32_t q = 0; q < scan.n_queries; q += queries_per_decode)
        dot_queries<Levels, Taker, in_words>(scan, levels, level, scan.queries + q,
                                             min(queries_per_decode, scan.n_queries - q));
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
    packed_dot<ByteLevels<true>>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    std::int32_t level = 0;
    for (int i = 0; i < 16; ++i) level = scan.levels[i] > level ? scan.levels[i] : level;
    packed_dot<NibbleLevels, RaiseThresholds, true>(scan, level);
}
void max_dot8(const Scan& scan) noexcept {
    bool all = true;
    for (std::uint32_t q = 0; q < scan.n_queries && all; ++q) all = words_hold(scan.queries[q], scan.m, 255);
    if (all)
        packed_dot<ByteLevels<false>, RaiseThresholds, true>(scan);
    else
        packed_dot<ByteLevels<true>, RaiseThresholds>(scan);
}

}  // namespace
}  // namespace fewbits::kernels
