// Packed dot on AVX2 (packed_levels.h).
//
// No product saturates: |level * query| <= 128 * 127, twice that fits 16 bits. Maxima of queries that allow it
// (words_hold) sum two quads in 16 bits, bytes as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>
#include <initializer_list>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/scan4.h"
#include "kernels/avx2/score.h"
#include "kernels/kernels.h"
#include "kernels/packed_levels.h"

namespace fewbits::kernels {
namespace {

using Ints [[gnu::vector_size(32)]] = std::int32_t;  // a type of its own for the reason that Words has

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

struct Avx2 {
    using Row = __m256i;
    using Table = __m256i;
    using Register = __m256i;
    using Sum = __m256i;
    static constexpr int registers = 4;

    // The low nibbles (vectors 0, 2, ...) in the lower lane, the others in the upper one.
    [[gnu::always_inline]] static Row nibbles_of(const std::uint8_t* run) noexcept {
        const __m256i shifts = _mm256_setr_epi64x(0, 0, 4, 4);
        return _mm256_and_si256(_mm256_srlv_epi64(broadcast128(run), shifts), _mm256_set1_epi8(15));
    }
    [[gnu::always_inline]] static Row bytes_less_128(const std::uint8_t* run) noexcept {
        return _mm256_xor_si256(load256(run), _mm256_set1_epi8(static_cast<char>(0x80)));
    }
    [[gnu::always_inline]] static Table table_of(const std::uint8_t* sixteen) noexcept { return broadcast128(sixteen); }
    [[gnu::always_inline]] static Row look_up(Table table, Row nibbles) noexcept {
        return _mm256_shuffle_epi8(table, nibbles);
    }
    // Transposed within 128-bit lanes: quad[k] holds vectors 4k .. 4k + 3 of each lane.
    [[gnu::always_inline]] static void interleave(const Row* rows, Register* quad) noexcept {
        const __m256i a = _mm256_unpacklo_epi8(rows[0], rows[1]), b = _mm256_unpackhi_epi8(rows[0], rows[1]);
        const __m256i c = _mm256_unpacklo_epi8(rows[2], rows[3]), d = _mm256_unpackhi_epi8(rows[2], rows[3]);
        quad[0] = _mm256_unpacklo_epi16(a, c);
        quad[1] = _mm256_unpackhi_epi16(a, c);
        quad[2] = _mm256_unpacklo_epi16(b, d);
        quad[3] = _mm256_unpackhi_epi16(b, d);
    }
    template <int n_queries, bool is_signed>
    static void add_quads(Sum (*sums)[4], const Register* quads, const std::int8_t* const* queries,
                          std::uint32_t n_quads) noexcept {
        kernels::add_quads<n_queries, is_signed>(sums, quads, queries, n_quads);
    }
    [[gnu::always_inline]] static Sum all(std::int32_t number) noexcept { return _mm256_set1_epi32(number); }
    [[gnu::always_inline]] static void multiply_by_4(Sum* sums) noexcept {
        for (int k = 0; k < 4; ++k) sums[k] = _mm256_slli_epi32(sums[k], 2);
    }
    static Sums nibbles_in_order(const Sum* sums) noexcept {
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        Sums out;
        for (int g = 0; g < 4; ++g) out.eight[g] = _mm256_permutevar8x32_epi32(sums[g], order);
        return out;
    }
    static Sums bytes_in_order(const Sum* sums) noexcept {
        return {{_mm256_permute2x128_si256(sums[0], sums[1], 0x20), _mm256_permute2x128_si256(sums[2], sums[3], 0x20),
                 _mm256_permute2x128_si256(sums[0], sums[1], 0x31), _mm256_permute2x128_si256(sums[2], sums[3], 0x31)}};
    }
};

// Bytes as they are, for queries whose words hold them.
struct WholeBytes : OfBytes<Avx2> {
    static constexpr bool is_signed = false;

    explicit WholeBytes(const std::uint8_t*) noexcept {}

    [[gnu::always_inline]] void quad(const Runs<8>& runs, std::uint32_t s, std::uint32_t count,
                                     __m256i* rows) const noexcept {
        for (std::uint32_t i = 0; i < count; ++i) rows[i] = load256(runs.at(s + i));
    }
};

// Adds the dots of each query, two quads at a time if its words hold levels up to max_level; 0: they are known to.
class PairsOfQuads {
public:
    PairsOfQuads(const Scan& scan, const ScanQuery* queries, std::uint32_t n_queries, std::int32_t max_level) noexcept {
        for (std::uint32_t q = 0; q < n_queries; ++q)
            holds_[q] = max_level == 0 || words_hold(queries[q], scan.m, max_level);
    }

    void operator()(__m256i (*sums)[4], const __m256i* quads, const ScanQuery* queries, std::uint32_t n_queries,
                    std::size_t begin, std::uint32_t dimensions) const noexcept {
        for (std::uint32_t q = 0; q < n_queries; ++q) {
            const std::int8_t* entries = static_cast<const std::int8_t*>(queries[q].table) + begin;
            const std::uint32_t paired = holds_[q] ? dimensions / 8 * 8 : 0;
            add_pairs_of_quads(sums[q], quads, entries, paired / 8);
            const std::int8_t* const rest[1] = {entries + paired};
            if (paired < dimensions) add_dots<Avx2, 1, false>(sums + q, quads + paired, rest, dimensions - paired);
        }
    }

private:
    bool holds_[queries_per_decode];
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

void dot4(const Scan& scan) noexcept {
    packed_dot<NibbleLevels<Avx2>, TakeHits>(scan);
}
template <std::uint32_t bits>
void dot_of_bits(const Scan& scan) noexcept {
    packed_dot<BitLevels<Avx2, bits>, TakeHits>(scan);
}
void dot_digits(const Scan& scan) noexcept {
    packed_dot<DigitLevels<Avx2>, TakeHits>(scan);
}
void dot8(const Scan& scan) noexcept {
    packed_dot<BytesLess128<Avx2>, TakeHits>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    std::int32_t level = 0;
    for (int i = 0; i < 16; ++i) level = scan.levels[i] > level ? scan.levels[i] : level;
    packed_dot<NibbleLevels<Avx2>, RaiseThresholds, PairsOfQuads>(scan, level);
}
void max_dot8(const Scan& scan) noexcept {
    bool all = true;
    for (std::uint32_t q = 0; q < scan.n_queries && all; ++q) all = words_hold(scan.queries[q], scan.m, 255);
    if (all)
        packed_dot<WholeBytes, RaiseThresholds, PairsOfQuads>(scan);
    else
        packed_dot<BytesLess128<Avx2>, RaiseThresholds>(scan);
}

}  // namespace
}  // namespace fewbits::kernels
