// Integer kernels over rows selected by number: 64 dimensions at a time become level bytes, then words, and are
// multiplied by the words of the query. Also extract4, which converts a vector of a block to a row.
#pragma once

#include "kernels/avx512/primitives.h"

namespace fewbits::kernels {
namespace {

// levels(i, row, j, count): the levels of dimensions j .. j + count - 1 (count <= 64) of the i-th listed row.
template <class Levels>
FEWBITS_INLINE void dot_rows(const Rows& rows, const Levels& levels) {
    const auto* query = static_cast<const std::int16_t*>(rows.query);
    auto* out = static_cast<std::int32_t*>(rows.out);
    for (std::uint32_t i = 0; i < rows.n; ++i) {
        const std::uint8_t* row = rows.base + std::size_t{rows.rows ? rows.rows[i] : i} * rows.stride;
        __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
        for (std::uint32_t j = 0; j < rows.dim; j += 64) {
            const std::uint32_t count = lesser(rows.dim - j, 64);
            const __m512i x = levels(i, row, j, count);
            const __m512i x_low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(x));
            const __m512i x_high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(x, 1));
            const std::uint32_t count_low = lesser(count, 32);
            const __m512i query_low = _mm512_maskz_loadu_epi16(first_32(count_low), query + j);
            const __m512i query_high = _mm512_maskz_loadu_epi16(first_32(count - count_low), query + j + count_low);
            low = add_word_products(low, x_low, query_low);
            high = add_word_products(high, x_high, query_high);
        }
        out[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
    }
}

void rows_dot4(const Rows& rows) {
    const __m512i table = broadcast_16_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rows.levels)));
    dot_rows(rows, [&](std::uint32_t, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
        const __m512i x = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(first_32((count + 1) / 2), row + j / 2));
        return look_up_16(table, _mm512_or_si512(x, _mm512_slli_epi16(x, 4)));  // the nibbles of each byte, in order
    });
}

void rows_dot8(const Rows& rows) {
    dot_rows(rows, [](std::uint32_t, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
        return _mm512_maskz_loadu_epi8(first_bytes(count), row + j);
    });
}

// 64 bits of a plane, of which the first `count` exist.
FEWBITS_INLINE __mmask64 plane_bits(const std::uint8_t* at, std::uint32_t count) {
    std::uint64_t bits = 0;
    if (count == 64) {
        __builtin_memcpy(&bits, at, 8);
    } else {
        for (std::uint32_t b = 0; b < (count + 7) / 8; ++b) bits |= std::uint64_t{at[b]} << (8 * b);
    }
    return bits;
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) {
    const ByteTable table(rows.levels, 1u << bits);
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    dot_rows(rows, [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j, std::uint32_t count) {
        __m512i codes = _mm512_movm_epi8(plane_bits(high + i * high_stride + j / 8, count));
        codes = _mm512_and_si512(codes, _mm512_set1_epi8(1));
        const std::uint8_t* plane = row + j / 8;
        for (std::uint32_t p = 1; p < bits; ++p, plane += plane_bytes) {
            codes = _mm512_add_epi8(codes, codes);
            codes = _mm512_mask_add_epi8(codes, plane_bits(plane, count), codes, _mm512_set1_epi8(1));
        }
        return table(codes);
    });
}

void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v, std::uint8_t* out) {
    const auto run = static_cast<std::uint32_t>(run_bytes(4, vectors));
    const std::uint32_t shift = v % 2 * 4;
    const std::uint8_t* at = block + v / 2;
    const __m512i offsets = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                               _mm512_set1_epi32(static_cast<int>(run)));
    const std::uint8_t* end = block + std::size_t{run} * m;
    std::uint32_t s = 0;
    // A gathered dword starts at the wanted byte; its last byte must lie in the block.
    for (; s + 16 <= m && end - at >= std::ptrdiff_t{15} * run + 4; s += 16, at += std::size_t{run} * 16) {
        __m512i x = _mm512_i32gather_epi32(offsets, at, 1);
        x = _mm512_and_si512(_mm512_srli_epi32(x, shift), _mm512_set1_epi32(15));
        const __m128i pairs = _mm_maddubs_epi16(_mm512_cvtepi32_epi8(x), _mm_set1_epi16(0x1001));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + s / 2), _mm_packus_epi16(pairs, pairs));
    }
    for (; s < m; s += 2, at += std::size_t{run} * 2) {
        const unsigned low = at[0] >> shift & 15u;
        const unsigned high = s + 1 < m ? at[run] >> shift & 15u : 0;
        out[s / 2] = static_cast<std::uint8_t>(low | high << 4);
    }
}

}  // namespace
}  // namespace fewbits::kernels
