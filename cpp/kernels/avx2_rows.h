// Integer rows on AVX2: 32 dimensions at a time become levels in natural order, widened and multiplied in 16 bits.
//
// Rows are picked by number, so the next ones are prefetched. The last, partial 32 dimensions are read from a copy, and
// the query is zero there, so that no byte past a row or the query is touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2_runs.h"
#include "kernels/avx2_scan8.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t rows_ahead = 6;

[[maybe_unused]] std::int32_t horizontal_sum(__m256i sums) noexcept {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}

// Levels of 32 dimensions (bytes) times 32 of the query.
[[gnu::always_inline]] inline __m256i multiply_levels(__m256i levels, const std::int16_t* query) noexcept {
    const __m256i first = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(levels));
    const __m256i last = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(levels, 1));
    return _mm256_add_epi32(_mm256_madd_epi16(first, load256(query)), _mm256_madd_epi16(last, load256(query + 16)));
}

// levels_of(i, row, j) gives the levels of dimensions j .. j + 31 of the i-th listed row; all are in the row.
// last_levels_of(i, row, j, count) gives those of its last `count` < 32 dimensions, and anything behind.
template <class LevelsOf, class LastLevelsOf>
void dot_rows(const Rows& rows, std::size_t row_bytes, LevelsOf levels_of, LastLevelsOf last_levels_of) noexcept {
    const auto* query = static_cast<const std::int16_t*>(rows.query);
    auto* out = static_cast<std::int32_t*>(rows.out);
    const auto row_at = [&](std::uint32_t i) {
        return rows.base + (rows.rows != nullptr ? rows.rows[i] : i) * rows.stride;
    };
    const std::uint32_t whole = rows.dim & ~31u, rest = rows.dim - whole;
    alignas(32) std::int16_t last_query[32] = {};
    __builtin_memcpy(last_query, query + whole, rest * sizeof *query);
    for (std::uint32_t i = 0; i < rows.n; ++i) {
        if (rows.n - i > rows_ahead) {
            const std::uint8_t* ahead = row_at(i + rows_ahead);
            for (std::size_t at = 0; at < row_bytes; at += 64) __builtin_prefetch(ahead + at);
        }
        const std::uint8_t* row = row_at(i);
        __m256i sums = _mm256_setzero_si256();
        for (std::uint32_t j = 0; j < whole; j += 32)
            sums = _mm256_add_epi32(sums, multiply_levels(levels_of(i, row, j), query + j));
        if (rest > 0) sums = _mm256_add_epi32(sums, multiply_levels(last_levels_of(i, row, whole, rest), last_query));
        out[i] = horizontal_sum(sums);
    }
}

void rows_dot4(const Rows& rows) noexcept {
    const __m128i table = load128(rows.levels);
    const auto decode = [table](const std::uint8_t* packed) {
        const __m128i codes = load128(packed), nibble = _mm_set1_epi8(15);
        const __m128i even = _mm_shuffle_epi8(table, _mm_and_si128(codes, nibble));
        const __m128i odd = _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(codes, 4), nibble));
        return _mm256_set_m128i(_mm_unpackhi_epi8(even, odd), _mm_unpacklo_epi8(even, odd));
    };
    dot_rows(
        rows, (std::size_t{rows.dim} + 1) / 2,
        [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j) { return decode(row + j / 2); },
        [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
            std::uint8_t last[16] = {};
            __builtin_memcpy(last, row + j / 2, (count + 1) / 2);
            return decode(last);
        });
}

void rows_dot8(const Rows& rows) noexcept {
    dot_rows(
        rows, rows.dim, [](std::uint32_t, const std::uint8_t* row, std::uint32_t j) { return load256(row + j); },
        [](std::uint32_t, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
            alignas(32) std::uint8_t last[32] = {};
            __builtin_memcpy(last, row + j, count);
            return load256(last);
        });
}

// All ones in byte j where bit j of `plane` is set.
[[gnu::always_inline]] inline __m256i spread(std::uint32_t plane) noexcept {
    const __m256i byte_of = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit_of = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(plane)), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) noexcept {
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    alignas(32) std::uint8_t levels[256] = {};
    __builtin_memcpy(levels, rows.levels, std::size_t{1} << bits);

    const auto decode = [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j, std::uint32_t bytes) {
        const auto plane = [&](const std::uint8_t* at) {
            std::uint32_t word = 0;
            __builtin_memcpy(&word, at + j / 8, bytes);
            return spread(word);
        };
        __m256i codes = _mm256_sub_epi8(_mm256_setzero_si256(), plane(high + i * high_stride));
        for (std::uint32_t p = 1; p < bits; ++p)  // all ones is -1, so subtracting it sets the low bit
            codes = _mm256_sub_epi8(_mm256_add_epi8(codes, codes), plane(row + (p - 1) * plane_bytes));
        return bits <= 4 ? _mm256_shuffle_epi8(broadcast128(levels), codes) : look_up256(levels, codes);
    };
    dot_rows(
        rows, plane_bytes * (bits - 1),
        [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j) { return decode(i, row, j, 4); },
        [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
            return decode(i, row, j, (count + 7) / 8);
        });
}

}  // namespace
}  // namespace fewbits::kernels
