// Floats and halves on AVX-512, with fused multiply-add at every step in the specified order. A block is two registers
// per dimension; up to eight queries (or points) multiply them before the next dimension is read.
#pragma once

#include "kernels/avx512/primitives.h"

namespace fewbits::kernels {
namespace {

struct F32 {
    static constexpr std::uint32_t bits = 32, bytes = 4;
    FEWBITS_INLINE static __m512 load(const std::uint8_t* at) { return _mm512_loadu_ps(at); }
    FEWBITS_INLINE static __m512 load(const std::uint8_t* at, __mmask16 lanes) {
        return _mm512_maskz_loadu_ps(lanes, at);
    }
};

struct F16 {
    static constexpr std::uint32_t bits = 16, bytes = 2;
    FEWBITS_INLINE static __m512 load(const std::uint8_t* at) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
    }
    FEWBITS_INLINE static __m512 load(const std::uint8_t* at, __mmask16 lanes) {
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, at));
    }
};

struct Dot {
    FEWBITS_INLINE static __m512 step(__m512 q, __m512 x, __m512 acc) { return _mm512_fmadd_ps(q, x, acc); }
};

struct L2 {
    FEWBITS_INLINE static __m512 step(__m512 q, __m512 x, __m512 acc) {
        const __m512 difference = _mm512_sub_ps(q, x);
        return _mm512_fmadd_ps(difference, difference, acc);
    }
};

struct NegatedL2 {
    FEWBITS_INLINE static __m512 step(__m512 q, __m512 x, __m512 acc) {
        const __m512 difference = _mm512_sub_ps(q, x);
        return _mm512_fnmadd_ps(difference, difference, acc);
    }
};

// N queries along the runs of one block, full or short.
template <class Element, class Sum, bool whole, unsigned N>
FEWBITS_INLINE void along_runs(const std::uint8_t* codes, std::uint32_t vectors, std::uint32_t dim,
                               const float* const (&queries)[N], __m512 (&acc)[N][2]) {
    const __mmask16 first = first_16(vectors), second = first_16(past_16(vectors));
    const std::uint32_t run = (whole ? block_size : vectors) * Element::bytes;
#pragma GCC unroll 8
    for (unsigned i = 0; i < N; ++i) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (std::uint32_t j = 0; j < dim; ++j, codes += run) {
        const __m512 low = whole ? Element::load(codes) : Element::load(codes, first);
        const std::uint8_t* rest = codes + 16 * Element::bytes;
        const __m512 high = whole ? Element::load(rest) : Element::load(rest, second);
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const __m512 q = _mm512_set1_ps(queries[i][j]);
            acc[i][0] = Sum::step(q, low, acc[i][0]);
            acc[i][1] = Sum::step(q, high, acc[i][1]);
        }
    }
}

}  // namespace
}  // namespace fewbits::kernels
