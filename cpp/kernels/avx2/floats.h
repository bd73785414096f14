// Floats and halves on AVX2 with FMA and F16C, and the register tile of scans and tiles: 3 queries (or points) by 32
// vectors in 12 accumulators. Each accumulator lane is the chain of fused sums that the specification defines for its
// (query, vector), so the bits agree by construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/avx2/score.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// --- elements: 8 at a time, or the first `count` of 8, the others zero and not read --------------------------------

struct F32 {
    static constexpr std::size_t bytes = 4;
    static __m256 load(const std::uint8_t* at) { return _mm256_loadu_ps(reinterpret_cast<const float*>(at)); }
    static __m256 load_first(const std::uint8_t* at, std::uint32_t count) {
        return _mm256_maskload_ps(reinterpret_cast<const float*>(at), first_lanes(count));
    }
};

std::uint64_t load_u64(const std::uint8_t* at) {
    std::uint64_t x;
    __builtin_memcpy(&x, at, sizeof x);
    return x;
}

std::uint64_t load_u16(const std::uint8_t* at) {
    std::uint16_t x;
    __builtin_memcpy(&x, at, sizeof x);
    return x;
}

struct F16 {
    static constexpr std::size_t bytes = 2;
    static __m256 load(const std::uint8_t* at) {
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
    }
    static __m256 load_first(const std::uint8_t* at, std::uint32_t count) {
        if (count >= 8) return load(at);
        std::uint64_t low = 0, high = 0;
        if (count >= 4) {
            low = load_u64(at);
            if (count > 4) high = load_u64(at + 2 * (count - 4)) >> (16 * (8 - count));
        } else {
            for (std::uint32_t i = 0; i < count; ++i) low |= load_u16(at + std::size_t{2} * i) << (16 * i);
        }
        return _mm256_cvtph_ps(_mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low)));
    }
};

// --- the terms of a sum --------------------------------------------------------------------------------------------

struct Dot {
    static __m256 step(__m256 q, __m256 x, __m256 acc) { return _mm256_fmadd_ps(q, x, acc); }
};

struct NegatedL2 {
    static __m256 step(__m256 q, __m256 x, __m256 acc) {
        const __m256 difference = _mm256_sub_ps(q, x);
        return _mm256_fnmadd_ps(difference, difference, acc);
    }
};

struct L2 {
    static __m256 step(__m256 q, __m256 x, __m256 acc) {
        const __m256 difference = _mm256_sub_ps(q, x);
        return _mm256_fmadd_ps(difference, difference, acc);
    }
};

// --- the register tile ---------------------------------------------------------------------------------------------

struct FloatBlock {
    const std::uint8_t* runs;
    std::uint32_t vectors;  // 1..32
    std::uint32_t dim;
};

// Q queries against the G groups of 8 vectors of a block; with Partial, the last group is not full. Unrolled by pragma
// and passed out as a copy; otherwise the compiler keeps the accumulators in memory, at a third of the speed.
template <class Element, class Sum, int Q, int G, bool Partial, class Row, class Finish>
void tile_step(const FloatBlock& block, std::uint32_t first, const Row& row, const Finish& finish) {
    const float* query[Q];
    __m256 acc[Q][G];
#pragma GCC unroll 4
    for (int i = 0; i < Q; ++i) {
        query[i] = row(first + static_cast<std::uint32_t>(i));
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) acc[i][g] = _mm256_setzero_ps();
    }
    const std::size_t run = block.vectors * Element::bytes;
    const std::uint32_t last = block.vectors - 8 * (G - 1);
    const std::uint8_t* runs = block.runs;
    for (std::size_t j = 0; j < block.dim; ++j, runs += run) {
        __m256 q[Q];
#pragma GCC unroll 4
        for (int i = 0; i < Q; ++i) q[i] = _mm256_broadcast_ss(query[i] + j);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) {
            const std::uint8_t* at = runs + 8 * static_cast<std::size_t>(g) * Element::bytes;
            const __m256 x = Partial && g == G - 1 ? Element::load_first(at, last) : Element::load(at);
#pragma GCC unroll 4
            for (int i = 0; i < Q; ++i) acc[i][g] = Sum::step(q[i], x, acc[i][g]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < Q; ++i) {
        __m256 sums[G];
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) sums[g] = acc[i][g];
        finish(first + static_cast<std::uint32_t>(i), sums);
    }
}

// Queries first .. end - 1, three at a time. Four remaining queries are taken as two pairs, since a single query fills
// the pipeline badly.
template <class Element, class Sum, int G, bool Partial, class Row, class Finish>
void tile_column(const FloatBlock& block, std::uint32_t first, std::uint32_t end, const Row& row,
                 const Finish& finish) {
    for (; end - first == 3 || end - first > 4; first += 3) {
        tile_step<Element, Sum, 3, G, Partial>(block, first, row, finish);
    }
    for (; end - first >= 2; first += 2) tile_step<Element, Sum, 2, G, Partial>(block, first, row, finish);
    if (first < end) tile_step<Element, Sum, 1, G, Partial>(block, first, row, finish);
}

// row(i) is query i; finish(i, acc) receives its sums in (vectors + 7) / 8 registers, in which lanes past the block
// contain garbage.
template <class Element, class Sum, class Row, class Finish>
void tile_block(const FloatBlock& block, std::uint32_t first, std::uint32_t end, const Row& row, const Finish& finish) {
    switch ((block.vectors + 7) / 8 * 2 + (block.vectors % 8 != 0)) {
        case 2:
            return tile_column<Element, Sum, 1, false>(block, first, end, row, finish);
        case 3:
            return tile_column<Element, Sum, 1, true>(block, first, end, row, finish);
        case 4:
            return tile_column<Element, Sum, 2, false>(block, first, end, row, finish);
        case 5:
            return tile_column<Element, Sum, 2, true>(block, first, end, row, finish);
        case 6:
            return tile_column<Element, Sum, 3, false>(block, first, end, row, finish);
        case 7:
            return tile_column<Element, Sum, 3, true>(block, first, end, row, finish);
        case 8:
            return tile_column<Element, Sum, 4, false>(block, first, end, row, finish);
        case 9:
            return tile_column<Element, Sum, 4, true>(block, first, end, row, finish);
    }
}

}  // namespace
}  // namespace fewbits::kernels
