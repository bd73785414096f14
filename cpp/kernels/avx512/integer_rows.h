// Integer rows with vpdpbusd: 64 dimensions at a time become bytes, and four products of bytes are summed in a dword.
//
// An entry q of the query has 12 bits: q = 16 h + l with h in -128..127 and l in 0..15. Both parts are bytes, so the
// sum is 16 times the products with h, plus those with l. If every entry is a byte itself, one sum is enough. Four rows
// at a time share the loads of the query, and the last step from lanes to sums.
#pragma once

#include "kernels/avx512/primitives.h"

namespace fewbits::kernels {
namespace {

#if defined(FEWBITS_VNNI)

constexpr std::uint32_t rows_together = 4;
constexpr std::uint32_t rows_ahead = 8;        // prefetched before they are needed
constexpr std::uint32_t query_at_once = 4096;  // dimensions

// A part of a query as bytes, followed by zeros up to a multiple of 64.
struct QueryBytes {
    alignas(64) std::int8_t high[query_at_once];  // the entry itself if `narrow`
    alignas(64) std::int8_t low[query_at_once];
    bool narrow;

    FEWBITS_INLINE QueryBytes(const std::int16_t* query, std::uint32_t count) : narrow(are_bytes(query, count)) {
        const __m512i low_bits = _mm512_set1_epi16(15);
        for (std::uint32_t j = 0; j < (count + 63) / 64 * 64; j += 32) {
            const __m512i q = load(query, j, count);
            const __m512i upper = narrow ? q : _mm512_srai_epi16(q, 4);
            store(high + j, _mm512_cvtepi16_epi8(upper));
            store(low + j, _mm512_cvtepi16_epi8(_mm512_and_si512(q, low_bits)));
        }
    }

private:
    FEWBITS_INLINE static __m512i load(const std::int16_t* query, std::uint32_t j, std::uint32_t count) {
        return _mm512_maskz_loadu_epi16(first_32(count > j ? count - j : 0), query + lesser(j, count));
    }
    FEWBITS_INLINE static void store(std::int8_t* at, __m256i x) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(at), x);
    }
    FEWBITS_INLINE static bool are_bytes(const std::int16_t* query, std::uint32_t count) {
        __m512i beyond = _mm512_setzero_si512();
        for (std::uint32_t j = 0; j < count; j += 32) {
            const __m512i q = load(query, j, count);
            const __m512i sign = _mm512_srai_epi16(q, 15);
            beyond = _mm512_or_si512(beyond, _mm512_xor_si512(_mm512_srai_epi16(q, 7), sign));
        }
        return _mm512_test_epi16_mask(beyond, beyond) == 0;
    }
};

// The sums of the lanes of four registers.
FEWBITS_INLINE __m128i sums_of(const __m512i (&x)[rows_together]) {
    __m256i half[rows_together];
    for (unsigned r = 0; r < rows_together; ++r)
        half[r] = _mm256_add_epi32(_mm512_castsi512_si256(x[r]), _mm512_extracti64x4_epi64(x[r], 1));
    const __m256i first =
        _mm256_add_epi32(_mm256_unpacklo_epi32(half[0], half[1]), _mm256_unpackhi_epi32(half[0], half[1]));
    const __m256i last =
        _mm256_add_epi32(_mm256_unpacklo_epi32(half[2], half[3]), _mm256_unpackhi_epi32(half[2], half[3]));
    const __m256i all = _mm256_add_epi32(_mm256_unpacklo_epi64(first, last), _mm256_unpackhi_epi64(first, last));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

// Levels::at(i) says where the i-th listed row lies, and Levels::load(row, j, count) returns the levels of dimensions
// j .. j + 63 as bytes. The row has `count` dimensions from j on; bytes beyond them may have any value.
template <bool narrow, class Levels>
FEWBITS_INLINE __m128i four_rows(const Levels& levels, const typename Levels::Row (&rows)[rows_together],
                                 const QueryBytes& query, std::uint32_t first, std::uint32_t count) {
    __m512i high[rows_together], low[rows_together];
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows_together; ++r) high[r] = low[r] = _mm512_setzero_si512();
    for (std::uint32_t j = 0; j < count; j += 64) {
        const __m512i query_high = _mm512_load_si512(query.high + j), query_low = _mm512_load_si512(query.low + j);
#pragma GCC unroll 4
        for (unsigned r = 0; r < rows_together; ++r) {
            const __m512i x = levels.load(rows[r], first + j, count - j);
            high[r] = add_wide_products(high[r], x, query_high);
            if constexpr (!narrow) low[r] = add_wide_products(low[r], x, query_low);
        }
    }
    if constexpr (!narrow) {
#pragma GCC unroll 4
        for (unsigned r = 0; r < rows_together; ++r) high[r] = _mm512_add_epi32(_mm512_slli_epi32(high[r], 4), low[r]);
    }
    return sums_of(high);
}

FEWBITS_INLINE const std::uint8_t* row_at(const Rows& rows, std::uint32_t i) {
    return rows.base + std::size_t{rows.rows ? rows.rows[i] : i} * rows.stride;
}

// What the listed rows some way after row i need; rows that follow one another are fetched by the processor itself.
FEWBITS_INLINE void prefetch_rows(const Rows& rows, std::size_t row_bytes, std::uint32_t i) {
    const std::uint32_t last = lesser(rows.n, i + rows_ahead + rows_together);
    for (std::uint32_t next = i == 0 ? rows_together : i + rows_ahead; next < last; ++next) {
        const std::uint8_t* ahead = row_at(rows, next);
        for (std::size_t at = 0; at < row_bytes; at += 64) __builtin_prefetch(ahead + at);
        __builtin_prefetch(ahead + row_bytes - 1);
    }
}

template <class Levels>
FEWBITS_INLINE void dot_rows(const Rows& rows, std::size_t row_bytes, const Levels& levels) {
    const auto* whole_query = static_cast<const std::int16_t*>(rows.query);
    for (std::uint32_t first = 0; first < rows.dim; first += query_at_once) {
        const std::uint32_t count = lesser(rows.dim - first, query_at_once);
        const QueryBytes query(whole_query + first, count);
        for (std::uint32_t i = 0; i < rows.n; i += rows_together) {
            if (rows.rows) prefetch_rows(rows, row_bytes, i);
            typename Levels::Row four[rows_together];
            for (std::uint32_t r = 0; r < rows_together; ++r) four[r] = levels.at(lesser(i + r, rows.n - 1));
            __m128i sums = query.narrow ? four_rows<true>(levels, four, query, first, count)
                                        : four_rows<false>(levels, four, query, first, count);
            std::int32_t* out = static_cast<std::int32_t*>(rows.out) + i;
            const __mmask16 wanted = first_16(4 * lesser(rows.n - i, rows_together));
            if (first > 0) sums = _mm_add_epi32(sums, _mm_maskz_loadu_epi8(wanted, out));
            _mm_mask_storeu_epi8(out, wanted, sums);
        }
    }
}

struct Bytes {
    using Row = const std::uint8_t*;
    const Rows& rows;

    FEWBITS_INLINE Row at(std::uint32_t i) const { return row_at(rows, i); }
    FEWBITS_INLINE __m512i load(Row row, std::uint32_t j, std::uint32_t count) const {
        return _mm512_maskz_loadu_epi8(first_bytes(count), row + j);
    }
};

struct Nibbles {
    using Row = const std::uint8_t*;
    const Rows& rows;
    __m512i table;

    FEWBITS_INLINE explicit Nibbles(const Rows& all)
        : rows(all), table(broadcast_16_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(all.levels)))) {}
    FEWBITS_INLINE Row at(std::uint32_t i) const { return row_at(rows, i); }
    FEWBITS_INLINE __m512i load(Row row, std::uint32_t j, std::uint32_t count) const {
        const __m256i codes = _mm256_maskz_loadu_epi8(first_32((lesser(count, 64) + 1) / 2), row + j / 2);
        const __m512i words = _mm512_cvtepu8_epi16(codes);
        return look_up_16(table, _mm512_or_si512(words, _mm512_slli_epi16(words, 4)));
    }
};

void rows_dot8(const Rows& rows) {
    dot_rows(rows, rows.dim, Bytes{rows});
}
void rows_dot4(const Rows& rows) {
    dot_rows(rows, (std::size_t{rows.dim} + 1) / 2, Nibbles(rows));
}

#endif

#if defined(FEWBITS_VBMI)

// Each plane is a mask of the dimensions whose codes have its bit.
template <std::uint32_t bits>
struct BitPlanes {
    struct Row {
        const std::uint8_t* high;
        const std::uint8_t* others;
    };
    static constexpr unsigned registers = bits <= 6 ? 1 : bits == 7 ? 2 : 4;
    const Rows& rows;
    const std::uint8_t* high;
    std::size_t high_stride, plane;
    __m512i table[registers];

    BitPlanes(const Rows& all, const std::uint8_t* high_planes, std::size_t stride)
        : rows(all), high(high_planes), high_stride(stride), plane((std::size_t{all.dim} + 7) / 8) {
        for (unsigned t = 0; t < registers; ++t)
            table[t] = _mm512_maskz_loadu_epi8(first_bytes(1u << bits), all.levels + 64 * t);
    }
    FEWBITS_INLINE Row at(std::uint32_t i) const { return {high + i * high_stride, row_at(rows, i)}; }
    FEWBITS_INLINE __m512i load(const Row& row, std::uint32_t j, std::uint32_t count) const {
        __m512i codes = _mm512_maskz_mov_epi8(mask(row.high + j / 8, count), bit(bits - 1));
#pragma GCC unroll 8
        for (std::uint32_t p = 0; p + 1 < bits; ++p) {
            const __mmask64 ones = mask(row.others + p * plane + j / 8, count);
            codes = _mm512_mask_add_epi8(codes, ones, codes, bit(bits - 2 - p));
        }
        return look_up(codes);
    }

private:
    FEWBITS_INLINE static __m512i bit(std::uint32_t number) {
        return _mm512_set1_epi8(static_cast<char>(1u << number));
    }
    FEWBITS_INLINE static __mmask64 mask(const std::uint8_t* at, std::uint32_t count) {
        std::uint64_t dimensions;
        if (count >= 57) {
            __builtin_memcpy(&dimensions, at, sizeof dimensions);
        } else {
            const __m128i few = _mm_maskz_loadu_epi8(first_16((count + 7) / 8), at);
            dimensions = static_cast<std::uint64_t>(_mm_cvtsi128_si64(few));
        }
        return dimensions;
    }
    FEWBITS_INLINE __m512i look_up(__m512i codes) const {
        if constexpr (registers == 1) {
            return _mm512_permutexvar_epi8(codes, table[0]);
        } else {
            const __m512i lower = _mm512_permutex2var_epi8(table[0], codes, table[1]);
            if constexpr (registers == 2) {
                return lower;
            } else {
                const __m512i upper = _mm512_permutex2var_epi8(table[2], codes, table[3]);
                return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), lower, upper);
            }
        }
    }
};

template <std::uint32_t bits>
void planes_rows(const Rows& rows, const std::uint8_t* high, std::size_t high_stride) {
    const BitPlanes<bits> planes(rows, high, high_stride);
    dot_rows(rows, planes.plane * (bits - 1), planes);
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) {
    constexpr decltype(&planes_rows<2>) by_bits[] = {planes_rows<2>, planes_rows<3>, planes_rows<4>, planes_rows<5>,
                                                     planes_rows<6>, planes_rows<7>, planes_rows<8>};
    by_bits[bits - 2](rows, high, high_stride);
}

#endif

}  // namespace
}  // namespace fewbits::kernels
