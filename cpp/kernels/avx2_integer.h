// The integer kernels for AVX2, by their names in the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2_packed_dot.h"
#include "kernels/avx2_rows.h"
#include "kernels/avx2_scan8.h"
#include "kernels/avx2_table_scan.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// Eight bytes, a stride apart.
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

// One vector's nibbles lie a run apart, so that they are loaded one by one, and put together by sixteens.
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
