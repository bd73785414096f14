// Floats and halves on NEON, and the register tile of scans and tiles: 3 queries (or points) by 32 vectors in 24
// accumulators. Each accumulator lane is the chain of fused sums that the specification defines for its (query,
// vector), so the bits agree by construction.
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// --- elements: 4 at a time, or the first `count` < 4, the others zero and not read --------------------------------

struct F32 {
    static constexpr std::size_t bytes = 4;
    static float32x4_t load(const std::uint8_t* at) { return vreinterpretq_f32_u8(vld1q_u8(at)); }
    [[gnu::always_inline]] static void load_8(const std::uint8_t* at, float32x4_t (&x)[2]) {
        x[0] = load(at);
        x[1] = load(at + 16);
    }
    static float32x4_t load_first(const std::uint8_t* at, std::size_t count) {
        float few[4] = {};
        __builtin_memcpy(few, at, count * bytes);
        return vld1q_f32(few);
    }
};

struct F16 {
    static constexpr std::size_t bytes = 2;
    static float32x4_t load(const std::uint8_t* at) { return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at))); }
    [[gnu::always_inline]] static void load_8(const std::uint8_t* at, float32x4_t (&x)[2]) {
        const float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(at));
        x[0] = vcvt_f32_f16(vget_low_f16(halves));
        x[1] = vcvt_high_f32_f16(halves);
    }
    static float32x4_t load_first(const std::uint8_t* at, std::size_t count) {
        std::uint8_t few[8] = {};
        __builtin_memcpy(few, at, count * bytes);
        return load(few);
    }
};

// --- the terms of a sum: by lanes of a query, or by one lane of it ------------------------------------------------

struct Dot {
    static float32x4_t step(float32x4_t q, float32x4_t x, float32x4_t acc) { return vfmaq_f32(acc, q, x); }
    template <int lane>
    [[gnu::always_inline]] static float32x4_t step_by(float32x4_t q, float32x4_t x, float32x4_t acc) {
        return vfmaq_laneq_f32(acc, x, q, lane);
    }
};

struct NegatedL2 {
    template <int lane>
    [[gnu::always_inline]] static float32x4_t step_by(float32x4_t q, float32x4_t x, float32x4_t acc) {
        const float32x4_t difference = vsubq_f32(vdupq_laneq_f32(q, lane), x);
        return vfmsq_f32(acc, difference, difference);
    }
};

struct L2 {
    static float32x4_t step(float32x4_t q, float32x4_t x, float32x4_t acc) {
        const float32x4_t difference = vsubq_f32(q, x);
        return vfmaq_f32(acc, difference, difference);
    }
};

// --- the register tile ---------------------------------------------------------------------------------------------

struct FloatBlock {
    const std::uint8_t* runs;
    std::uint32_t vectors;  // 1..32
    std::uint32_t dim;
};

// Adds one dimension, lane `lane` of each query, of G groups of 4 vectors; of the only group, the first `count` < 4, if
// that is not 0.
template <class Element, class Sum, int lane, int Q, int G>
[[gnu::always_inline]] inline void add_run(float32x4_t (&acc)[Q][G], const float32x4_t (&query)[Q],
                                           const std::uint8_t* run, std::size_t count) {
    constexpr int step = G > 1 ? 2 : 1;
#pragma GCC unroll 4
    for (int g = 0; g < G; g += step) {
        const std::uint8_t* at = run + 4 * static_cast<std::size_t>(g) * Element::bytes;
        float32x4_t x[2];
        if constexpr (G > 1)
            Element::load_8(at, x);
        else
            x[0] = count != 0 ? Element::load_first(at, count) : Element::load(at);
#pragma GCC unroll 2
        for (int h = 0; h < step; ++h)
#pragma GCC unroll 3
            for (int i = 0; i < Q; ++i) acc[i][g + h] = Sum::template step_by<lane>(query[i], x[h], acc[i][g + h]);
    }
}

// Q queries against 4 * G vectors from `first` on: out[i][first / 4 ..] are the sums.
template <class Element, class Sum, int Q, int G>
[[gnu::always_inline]] inline void tile_piece(const FloatBlock& block, const float* const (&queries)[Q],
                                              std::size_t first, std::size_t count, float32x4_t (*out)[8]) {
    float32x4_t acc[Q][G];
#pragma GCC unroll 3
    for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) acc[i][g] = vdupq_n_f32(0);
    const std::size_t run = block.vectors * Element::bytes;
    const std::uint8_t* runs = block.runs + first * Element::bytes;
    std::size_t j = 0;
    float32x4_t query[Q];
    for (; j + 4 <= block.dim; j += 4, runs += 4 * run) {
#pragma GCC unroll 3
        for (int i = 0; i < Q; ++i) query[i] = vld1q_f32(queries[i] + j);
        add_run<Element, Sum, 0>(acc, query, runs, count);
        add_run<Element, Sum, 1>(acc, query, runs + run, count);
        add_run<Element, Sum, 2>(acc, query, runs + 2 * run, count);
        add_run<Element, Sum, 3>(acc, query, runs + 3 * run, count);
    }
    for (; j < block.dim; ++j, runs += run) {
#pragma GCC unroll 3
        for (int i = 0; i < Q; ++i) query[i] = vld1q_dup_f32(queries[i] + j);
        add_run<Element, Sum, 0>(acc, query, runs, count);
    }
#pragma GCC unroll 3
    for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
        for (int g = 0; g < G; ++g) out[i][first / 4 + static_cast<std::size_t>(g)] = acc[i][g];
}

// A short block is cut into pieces of 16, 8 and 4 vectors and a rest.
template <class Element, class Sum, int Q>
[[gnu::noinline]] void tile_short(const FloatBlock& block, const float* const (&queries)[Q], float32x4_t (*out)[8]) {
    std::size_t first = 0;
    if ((block.vectors & 16) != 0) tile_piece<Element, Sum, Q, 4>(block, queries, first, 0, out), first += 16;
    if ((block.vectors & 8) != 0) tile_piece<Element, Sum, Q, 2>(block, queries, first, 0, out), first += 8;
    if ((block.vectors & 4) != 0) tile_piece<Element, Sum, Q, 1>(block, queries, first, 0, out), first += 4;
    if ((block.vectors & 3) != 0) tile_piece<Element, Sum, Q, 1>(block, queries, first, block.vectors & 3, out);
}

template <class Element, class Sum, int Q>
[[gnu::noinline]] void tile_full(const FloatBlock& block, const float* const (&queries)[Q], float32x4_t (*out)[8]) {
    tile_piece<Element, Sum, Q, 8>(FloatBlock{block.runs, 32, block.dim}, queries, 0, 0, out);
}

template <class Element, class Sum, int Q, class Row, class Finish>
void tile_step(const FloatBlock& block, std::uint32_t first, const Row& row, const Finish& finish) {
    const float* queries[Q];
    for (int i = 0; i < Q; ++i) queries[i] = row(first + static_cast<std::uint32_t>(i));
    float32x4_t sums[Q][8] = {};
    if (block.vectors == block_size)
        tile_full<Element, Sum, Q>(block, queries, sums);
    else
        tile_short<Element, Sum, Q>(block, queries, sums);
    for (int i = 0; i < Q; ++i) finish(first + static_cast<std::uint32_t>(i), sums[i]);
}

// row(i) is query i; finish(i, acc) receives its sums of queries first .. end - 1 in 8 registers, in which lanes past
// the block hold anything. Four remaining queries are taken as two pairs.
template <class Element, class Sum, class Row, class Finish>
void tile_block(const FloatBlock& block, std::uint32_t first, std::uint32_t end, const Row& row, const Finish& finish) {
    for (; end - first == 3 || end - first > 4; first += 3) tile_step<Element, Sum, 3>(block, first, row, finish);
    for (; end - first >= 2; first += 2) tile_step<Element, Sum, 2>(block, first, row, finish);
    if (first < end) tile_step<Element, Sum, 1>(block, first, row, finish);
}

}  // namespace
}  // namespace fewbits::kernels
