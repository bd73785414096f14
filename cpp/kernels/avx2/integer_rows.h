// Integer rows on AVX2: a group of dimensions at a time is converted to levels in natural order, widened and multiplied
// in 16 bits.
//
// Rows are selected by number, so the next ones are prefetched. If the last step is incomplete, it is moved back over
// dimensions already processed, for which the query is set to zero, so that nothing past the row or the query is
// accessed; only a row shorter than one step is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2/runs.h"
#include "kernels/avx2/scan8.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t rows_ahead = 6;

[[maybe_unused]] std::int32_t horizontal_sum(__m256i sums) noexcept {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1)));
}

// Two registers of 16 words each, times 32 entries of the query.
[[gnu::always_inline]] inline __m256i multiply_words(__m256i first, __m256i last, const std::int16_t* query) noexcept {
    return _mm256_add_epi32(_mm256_madd_epi16(first, load256(query)), _mm256_madd_epi16(last, load256(query + 16)));
}

// products(i, row, j, query, count) returns the products of the levels of dimensions j .. j + step - 1 of the i-th
// listed row and as many entries of the query, summed into eight dwords. The row has all of these dimensions, or only
// the first `count` < step. j is a multiple of `unit`, to which rows are padded.
template <std::uint32_t step, class Products>
void dot_rows(const Rows& rows, std::size_t row_bytes, std::uint32_t unit, Products products) noexcept {
    const auto* query = static_cast<const std::int16_t*>(rows.query);
    auto* out = static_cast<std::int32_t*>(rows.out);
    const auto row_at = [&](std::uint32_t i) {
        return rows.base + (rows.rows != nullptr ? rows.rows[i] : i) * rows.stride;
    };
    const std::uint32_t whole = rows.dim / step * step, padded = (rows.dim + unit - 1) / unit * unit;
    const std::uint32_t last = padded >= step ? padded - step : 0;  // where the last step begins
    alignas(32) std::int16_t last_query[step];
    if (whole < rows.dim) {
        __builtin_memset(last_query, 0, sizeof last_query);
        __builtin_memcpy(last_query + (whole - last), query + whole, (rows.dim - whole) * sizeof *query);
    }
    for (std::uint32_t i = 0; i < rows.n; ++i) {
        if (rows.n - i > rows_ahead) {
            const std::uint8_t* ahead = row_at(i + rows_ahead);
            for (std::size_t at = 0; at < row_bytes; at += 64) __builtin_prefetch(ahead + at);
        }
        const std::uint8_t* row = row_at(i);
        __m256i sums = _mm256_setzero_si256();
        for (std::uint32_t j = 0; j < whole; j += step)
            sums = _mm256_add_epi32(sums, products(i, row, j, query + j, step));
        if (whole == 0)
            sums = products(i, row, 0, last_query, rows.dim);
        else if (whole < rows.dim)
            sums = _mm256_add_epi32(sums, products(i, row, last, last_query, step));
        out[i] = horizontal_sum(sums);
    }
}

void rows_dot8(const Rows& rows) noexcept {
    const auto products = [](std::uint32_t, const std::uint8_t* row, std::uint32_t j, const std::int16_t* query,
                             std::uint32_t count) {
        std::uint8_t few[32] = {};
        if (count < 32) __builtin_memcpy(few, row, count);
        const std::uint8_t* at = count < 32 ? few : row + j;
        return multiply_words(_mm256_cvtepu8_epi16(load128(at)), _mm256_cvtepu8_epi16(load128(at + 16)), query);
    };
    dot_rows<32>(rows, rows.dim, 1, products);
}

// 64 dimensions as bytes. `first` has dimensions 0-7 and 16-23 in one lane, 8-15 and 24-31 in the other; `last` has
// those 32 further on.
struct Bytes64 {
    __m256i first, last;
};

// In this order, widening the lower half of each lane to words gives 16 consecutive dimensions.
[[gnu::always_inline]] inline __m256i multiply_bytes(Bytes64 x, const std::int16_t* query) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_add_epi32(
        multiply_words(_mm256_unpacklo_epi8(x.first, zero), _mm256_unpackhi_epi8(x.first, zero), query),
        multiply_words(_mm256_unpacklo_epi8(x.last, zero), _mm256_unpackhi_epi8(x.last, zero), query + 32));
}

// Produces that order from consecutive dwords of 8 dimensions each.
[[gnu::always_inline]] inline __m256i even_dwords_first(__m256i x) noexcept {
    return _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}

void rows_dot4(const Rows& rows) noexcept {
    const __m256i table = broadcast128(rows.levels), nibble = _mm256_set1_epi8(15);
    const auto products = [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j, const std::int16_t* query,
                              std::uint32_t count) {
        std::uint8_t few[32] = {};
        if (count < 64) __builtin_memcpy(few, row, (count + 1) / 2);
        const __m256i codes = even_dwords_first(load256(count < 64 ? few : row + j / 2));
        const __m256i even = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble));
        const __m256i odd = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(codes, 4), nibble));
        return multiply_bytes({_mm256_unpacklo_epi8(even, odd), _mm256_unpackhi_epi8(even, odd)}, query);
    };
    dot_rows<64>(rows, (std::size_t{rows.dim} + 1) / 2, 2, products);
}

// Exchanges bits of each dword: those in `mask` with those `distance` above them.
[[gnu::always_inline]] inline __m256i exchange_bits(__m256i x, int distance, int mask) noexcept {
    const __m256i differ =
        _mm256_and_si256(_mm256_xor_si256(x, _mm256_srli_epi32(x, distance)), _mm256_set1_epi32(mask));
    return _mm256_xor_si256(x, _mm256_xor_si256(differ, _mm256_slli_epi32(differ, distance)));
}

// Four planes of 64 dimensions, the lowest first, become 4-bit codes. Dword g holds the four bytes of dimensions 8g to
// 8g + 7, with plane p of dimension i at bit 8p + i. Exchanging the highest two bits of that bit number with the lowest
// two brings the four bits of a dimension together: those of dimension i go to nibble i / 4 of byte i % 4.
[[gnu::always_inline]] inline Bytes64 codes_of(const std::uint64_t* planes) noexcept {
    const auto pair = [&](int p) {
        return _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<long long>(planes[p])),
                                 _mm_cvtsi64_si128(static_cast<long long>(planes[p + 1])));
    };
    const __m128i low = pair(0), high = pair(2);
    __m256i x = even_dwords_first(_mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high)));
    x = exchange_bits(exchange_bits(x, 14, 0xCCCC), 7, 0xAA00AA);
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i even = _mm256_and_si256(x, nibble), odd = _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble);
    return {_mm256_unpacklo_epi32(even, odd), _mm256_unpackhi_epi32(even, odd)};
}

template <std::uint32_t bits>
void planes_rows(const Rows& rows, const std::uint8_t* high, std::size_t high_stride) noexcept {
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    alignas(32) std::uint8_t levels[bits > 4 ? 256 : 16] = {};
    __builtin_memcpy(levels, rows.levels, std::size_t{1} << bits);
    const __m256i few_levels = broadcast128(levels);
    const auto products = [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j, const std::int16_t* query,
                              std::uint32_t count) {
        std::uint64_t planes[8] = {};  // the lowest first
        for (std::uint32_t p = 0; p < bits; ++p) {
            const std::uint8_t* plane = p + 1 < bits ? row + (bits - 2 - p) * plane_bytes : high + i * high_stride;
            if (count < 64)
                __builtin_memcpy(&planes[p], plane, (count + 7) / 8);
            else
                __builtin_memcpy(&planes[p], plane + j / 8, 8);
        }
        Bytes64 codes = codes_of(planes);
        if constexpr (bits > 4) {
            const Bytes64 upper = codes_of(planes + 4);
            codes.first = look_up256(levels, _mm256_or_si256(codes.first, _mm256_slli_epi16(upper.first, 4)));
            codes.last = look_up256(levels, _mm256_or_si256(codes.last, _mm256_slli_epi16(upper.last, 4)));
        } else {
            codes = {_mm256_shuffle_epi8(few_levels, codes.first), _mm256_shuffle_epi8(few_levels, codes.last)};
        }
        return multiply_bytes(codes, query);
    };
    dot_rows<64>(rows, plane_bytes * (bits - 1), 8, products);
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) noexcept {
    constexpr decltype(&planes_rows<2>) by_bits[] = {planes_rows<2>, planes_rows<3>, planes_rows<4>, planes_rows<5>,
                                                     planes_rows<6>, planes_rows<7>, planes_rows<8>};
    by_bits[bits - 2](rows, high, high_stride);
}

// Eight bytes, `stride` apart.
[[gnu::always_inline]] inline __m128i gather_bytes(const std::uint8_t* at, std::size_t stride) noexcept {
    __m128i x = _mm_cvtsi32_si128(at[0]);
    x = _mm_insert_epi8(x, at[stride], 1);
    x = _mm_insert_epi8(x, at[2 * stride], 2);
    x = _mm_insert_epi8(x, at[3 * stride], 3);
    x = _mm_insert_epi8(x, at[4 * stride], 4);
    x = _mm_insert_epi8(x, at[5 * stride], 5);
    x = _mm_insert_epi8(x, at[6 * stride], 6);
    return _mm_insert_epi8(x, at[7 * stride], 7);
}

// The nibbles of one vector lie one run apart, so they are loaded one by one and packed sixteen at a time.
void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
              std::uint8_t* out) noexcept {
    const std::size_t stride = run_bytes(4, vectors);
    const std::uint8_t* at = block + v / 2;
    const std::uint32_t shift = v % 2 * 4;
    const __m128i shifts = _mm_cvtsi32_si128(static_cast<int>(shift));
    std::uint32_t s = 0;
    for (; s + 16 <= m; s += 16, at += 16 * stride) {
        __m128i runs = _mm_unpacklo_epi64(gather_bytes(at, stride), gather_bytes(at + 8 * stride, stride));
        runs = _mm_and_si128(_mm_srl_epi16(runs, shifts), _mm_set1_epi8(15));
        const __m128i pairs = _mm_maddubs_epi16(runs, _mm_set1_epi16(0x1001));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + s / 2), _mm_packus_epi16(pairs, pairs));
    }
    for (; s < m; s += 2, at += 2 * stride) {
        const std::uint32_t low = at[0] >> shift & 15u, high = s + 1 < m ? at[stride] >> shift & 15u : 0;
        out[s / 2] = static_cast<std::uint8_t>(low | high << 4);
    }
}

}  // namespace
}  // namespace fewbits::kernels
