// The few operations in which the three AVX-512 levels differ; everything above them is written once.
//   avx512      F BW DQ VL CD
//   avx512vnni  + vpdpbusd, vpdpwssd
//   avx512vbmi  + vpermb, vpermi2b
// Each returns the same bits on every level.
#pragma once

#include "kernels/avx512/intrinsics.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// --- masks: the first `count` lanes (count may be larger) ------------------------------------------------------------

FEWBITS_INLINE __mmask64 first_bytes(std::uint32_t count) {
    return count < 64 ? (std::uint64_t{1} << count) - 1 : ~std::uint64_t{0};
}

FEWBITS_INLINE __mmask32 first_32(std::uint32_t count) {
    return static_cast<__mmask32>(first_bytes(count));
}

FEWBITS_INLINE __mmask16 first_16(std::uint32_t count) {
    return static_cast<__mmask16>(first_bytes(count));
}

FEWBITS_INLINE std::uint32_t lesser(std::uint32_t a, std::uint32_t b) {
    return a < b ? a : b;
}

// The number of `vectors` in lanes 16.. of a 32-lane block.
FEWBITS_INLINE std::uint32_t past_16(std::uint32_t vectors) {
    return vectors > 16 ? vectors - 16 : 0;
}

FEWBITS_INLINE __m512i broadcast_16_bytes(__m128i x) {
    return _mm512_broadcast_i32x4(x);
}

// --- sums of products ------------------------------------------------------------------------------------------------

// acc + sums of four products of unsigned and signed bytes. The unsigned bytes are at most 127 (or the signed ones are
// all 1), so that the sum of two products fits 16 bits.
FEWBITS_INLINE __m512i add_products(__m512i acc, __m512i bytes, __m512i signed_bytes) {
#if defined(FEWBITS_VNNI)
    return _mm512_dpbusd_epi32(acc, bytes, signed_bytes);
#else
    const __m512i pairs = _mm512_maddubs_epi16(bytes, signed_bytes);
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}

// The same for any unsigned bytes.
FEWBITS_INLINE __m512i add_wide_products(__m512i acc, __m512i bytes, __m512i signed_bytes) {
#if defined(FEWBITS_VNNI)
    return _mm512_dpbusd_epi32(acc, bytes, signed_bytes);
#else
    const __m512i even = _mm512_and_si512(bytes, _mm512_set1_epi16(0xff));
    const __m512i odd = _mm512_srli_epi16(bytes, 8);
    const __m512i signed_even = _mm512_srai_epi16(_mm512_slli_epi16(signed_bytes, 8), 8);
    const __m512i signed_odd = _mm512_srai_epi16(signed_bytes, 8);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(even, signed_even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(odd, signed_odd));
#endif
}

// --- tables in registers ---------------------------------------------------------------------------------------------

// table[low nibble of x] for every byte; the 16 entries are repeated in each 128-bit lane.
FEWBITS_INLINE __m512i look_up_16(__m512i table, __m512i x) {
#if defined(FEWBITS_VBMI)
    return _mm512_permutexvar_epi8(x, table);  // uses 6 bits of x; the repetition makes the upper two irrelevant
#else
    return _mm512_shuffle_epi8(table, _mm512_and_si512(x, _mm512_set1_epi8(0x0f)));
#endif
}

// --- runs to vectors -------------------------------------------------------------------------------------------------

// Lane j is the first `width` (<= 16) bytes at + j * stride for j < count, and zero otherwise.
FEWBITS_INLINE __m512i load_lanes(const std::uint8_t* at, std::uint32_t stride, std::uint32_t width,
                                  std::uint32_t count) {
    const __mmask16 bytes = first_16(width);
    __m512i x = _mm512_setzero_si512();
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(bytes, at), 0);
    if (count > 1) x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(bytes, at + stride), 1);
    if (count > 2) x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(bytes, at + 2 * stride), 2);
    if (count > 3) x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(bytes, at + 3 * stride), 3);
    return x;
}

// Runs of 16 bytes, one per lane; shorter ones (of the short block) are read one by one.
FEWBITS_INLINE __m512i load_runs(const std::uint8_t* at, std::uint32_t run, std::uint32_t count) {
    if (run == 16) return _mm512_maskz_loadu_epi8(first_bytes(16 * count), at);
    return load_lanes(at, run, run, count);
}

// Byte p of lane j becomes byte j of dword p: four runs of 16 bytes become 16 groups of one byte per run.
class Transpose {
public:
#if defined(FEWBITS_VBMI)
    // A single vpermb, for consecutive runs of any length: byte p of run j lies at j * run + p.
    FEWBITS_INLINE explicit Transpose(std::uint32_t run) : run_(run) {
        const __m512i position = _mm512_mullo_epi32(
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(0x01010101));
        order_ = _mm512_add_epi8(position, _mm512_set1_epi32(static_cast<int>(0x03020100 * run)));
    }
    FEWBITS_INLINE __m512i load(const std::uint8_t* at, std::uint32_t count) const {
        return (*this)(_mm512_maskz_loadu_epi8(first_bytes(run_ * count), at));
    }
    FEWBITS_INLINE __m512i operator()(__m512i x) const { return _mm512_permutexvar_epi8(order_, x); }
#else
    FEWBITS_INLINE explicit Transpose(std::uint32_t run) : run_(run) {
        order_ = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        within_lane_ = broadcast_16_bytes(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    }
    FEWBITS_INLINE __m512i load(const std::uint8_t* at, std::uint32_t count) const {
        return (*this)(load_runs(at, run_, count));
    }
    FEWBITS_INLINE __m512i operator()(__m512i x) const {
        return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order_, x), within_lane_);
    }
#endif

private:
    std::uint32_t run_;
    __m512i order_;
#if !defined(FEWBITS_VBMI)
    __m512i within_lane_;
#endif
};

}  // namespace
}  // namespace fewbits::kernels
