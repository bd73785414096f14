// What every AVX-512 scan shares: queries in passes of as many as the registers hold, blocks one after the other, and
// the last step from a block's 32 accumulators to hits. A kernel only says how it accumulates.
#pragma once

#include "kernels/avx512/primitives.h"
#include "kernels/fetch_ahead.h"

namespace fewbits::kernels {
namespace {

struct Block {
    const std::uint8_t* codes;
    std::uint32_t first;    // its vector 0
    std::uint32_t vectors;  // 1..32
    std::uint32_t run;      // bytes a run
    std::uint32_t wanted;   // bit v: vector v exists and is allowed
    std::size_t ahead;      // codes to fetch meanwhile are so many bytes further
};

FEWBITS_INLINE std::uint32_t wanted_bits(const Scan& scan, std::uint32_t first, std::uint32_t vectors) {
    const std::uint32_t all = first_32(vectors);
    if (!scan.allow) return all;
    const std::size_t row = std::size_t{scan.first_row} + first;
    std::uint64_t bits;
    __builtin_memcpy(&bits, scan.allow + row / 8, sizeof bits);
    return static_cast<std::uint32_t>(bits >> (row % 8)) & all;
}

// Calls body(block) for each block with a vector that is wanted.
template <class Body>
FEWBITS_INLINE void each_block(const Scan& scan, std::uint32_t element_bits, const Body& body) {
    const std::uint8_t* codes = scan.codes;
    std::size_t left = blocks_bytes(element_bits, scan.m, scan.n);
    for (std::uint32_t first = 0, vectors; first < scan.n; first += vectors) {
        vectors = lesser(scan.n - first, block_size);
        const auto run = static_cast<std::uint32_t>(run_bytes(element_bits, vectors));
        const std::size_t size = std::size_t{run} * scan.m;
        const Block block{codes, first, vectors, run, wanted_bits(scan, first, vectors), distance_ahead(size, left)};
        if (block.wanted) body(block);
        codes += size;
        left -= size;
    }
}

// Kernel::pass<N> for N queries at a time, most first.
template <class Kernel, unsigned N = Kernel::max_queries>
FEWBITS_INLINE void in_passes(const Scan& scan, ScanQuery* queries, std::uint32_t count) {
    for (; count >= N; count -= N, queries += N) Kernel::template pass<N>(scan, queries);
    if constexpr (N > 1) {
        if (count > 0) in_passes<Kernel, N - 1>(scan, queries, count);
    }
}

// --- from accumulators to hits ---------------------------------------------------------------------------------------

// The specified float formula for vectors at .. at + 15 of the list, of which `lanes` exist.
FEWBITS_INLINE __m512 scores_of(const Scan& scan, const ScanQuery& query, std::size_t at, __mmask16 lanes, __m512 acc) {
    __m512 score = _mm512_add_ps(_mm512_mul_ps(acc, _mm512_set1_ps(query.scale)), _mm512_set1_ps(query.offset));
    if (scan.a) score = _mm512_mul_ps(score, _mm512_maskz_loadu_ps(lanes, scan.a + at));
    if (scan.b) {
        const __m512 b = _mm512_maskz_loadu_ps(lanes, scan.b + at);
        score = _mm512_add_ps(score, _mm512_mul_ps(_mm512_set1_ps(query.b_scale), b));
    }
    return _mm512_add_ps(score, _mm512_set1_ps(query.constant));
}

// Hits among the vectors of a block in order, 16 and 16.
[[maybe_unused]] void take_floats(const Scan& scan, const Block& block, ScanQuery& query, __m512 low, __m512 high) {
    const std::uint32_t past = past_16(block.vectors);
    const __m512 first = scores_of(scan, query, block.first, first_16(block.vectors), low);
    const __m512 last = scores_of(scan, query, block.first + 16, first_16(past), high);
    const __m512 threshold = _mm512_set1_ps(query.threshold);
    const auto in_first = static_cast<std::uint32_t>(_mm512_cmp_ps_mask(first, threshold, _CMP_GE_OQ));
    const auto in_last = static_cast<std::uint32_t>(_mm512_cmp_ps_mask(last, threshold, _CMP_GE_OQ));
    std::uint32_t hits = (in_first | in_last << 16) & block.wanted;
    if (!hits) return;
    float scores[block_size];
    _mm512_storeu_ps(scores, first);
    _mm512_storeu_ps(scores + 16, last);
    for (; hits; hits &= hits - 1) {
        const auto v = static_cast<std::uint32_t>(__builtin_ctz(hits));
        query.hits[query.count++] = {scan.first_row + block.first + v, scores[v]};
    }
}

// The same scores raise the query's threshold to the best of them.
[[maybe_unused]] void raise_floats(const Scan& scan, const Block& block, ScanQuery& query, __m512 low, __m512 high) {
    const __m512 acc[2] = {low, high};
    __m512 top = _mm512_set1_ps(query.threshold);
    for (std::uint32_t half = 0; half < 2; ++half) {
        const auto wanted = static_cast<__mmask16>(block.wanted >> (16 * half));
        const __m512 score = scores_of(scan, query, block.first + 16 * half, wanted, acc[half]);
        top = _mm512_mask_mov_ps(top, _mm512_mask_cmp_ps_mask(wanted, score, top, _CMP_GT_OQ), score);
    }
    const float best = _mm512_reduce_max_ps(top);
    if (best > query.threshold) query.threshold = best;
}

// No accumulator below this can reach the threshold (without factors). The score is increasing in acc, and its four
// roundings move it by less than 8 * 2^-24 of the sum below; survivors are decided by the float formula itself.
[[maybe_unused]] std::int32_t min_acc(const ScanQuery& query) {
    const double threshold = query.threshold, offset = query.offset, constant = query.constant;
    const double size = __builtin_fabs(threshold) + __builtin_fabs(offset) + __builtin_fabs(constant);
    if (!(size < 1e30)) return INT32_MIN;  // an intermediate might overflow; also NaN
    const double bound = (threshold - constant - offset - size * 0x1p-20 - 1e-40) / static_cast<double>(query.scale);
    if (!(bound > INT32_MIN)) return INT32_MIN;
    return bound < INT32_MAX ? static_cast<std::int32_t>(bound) : INT32_MAX;
}

// How a kernel's two vectors of sums hold the block: vectors 0..15 and 16..31, or the even and the odd ones.
enum class Lanes { halves, even_odd };

template <Lanes lanes>
FEWBITS_INLINE void in_order(const __m512i (&acc)[2], __m512& low, __m512& high) {
    __m512i first = acc[0], second = acc[1];
    if constexpr (lanes == Lanes::even_odd) {
        const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        first = _mm512_permutex2var_epi32(acc[0], order, acc[1]);
        second = _mm512_permutex2var_epi32(acc[0], _mm512_add_epi32(order, _mm512_set1_epi32(8)), acc[1]);
    }
    low = _mm512_cvtepi32_ps(first);
    high = _mm512_cvtepi32_ps(second);
}

// Turns the sums of a block into hits, or into the query's threshold, which is then the best score.
struct TakeHits {
    template <Lanes lanes>
    FEWBITS_INLINE static void take(const Scan& scan, const Block& block, ScanQuery& query, std::int32_t bound,
                                    const __m512i (&acc)[2]) {
        if (!scan.a && !scan.b) {
            const __m512i limit = _mm512_set1_epi32(bound);
            const __mmask16 first = _mm512_cmpge_epi32_mask(acc[0], limit);
            const __mmask16 second = _mm512_cmpge_epi32_mask(acc[1], limit);
            if (!(first | second)) return;
        }
        __m512 low, high;
        in_order<lanes>(acc, low, high);
        take_floats(scan, block, query, low, high);
    }
};

struct RaiseThreshold {
    template <Lanes lanes>
    FEWBITS_INLINE static void take(const Scan& scan, const Block& block, ScanQuery& query, std::int32_t,
                                    const __m512i (&acc)[2]) {
        __m512 low, high;
        in_order<lanes>(acc, low, high);
        raise_floats(scan, block, query, low, high);
    }
};

// A pass over an integer kernel that accumulates block by block: Kernel(scan).accumulate<N>(block, tables, acc).
template <class Kernel, class Take = TakeHits>
struct IntegerScan {
    static constexpr unsigned max_queries = Kernel::max_queries;

    template <unsigned N>
    static void pass(const Scan& scan, ScanQuery* queries) {
        const Kernel kernel(scan);
        const std::uint8_t* tables[N];
        std::int32_t bound[N];
        for (unsigned i = 0; i < N; ++i) {
            tables[i] = static_cast<const std::uint8_t*>(queries[i].table);
            bound[i] = min_acc(queries[i]);
        }
        each_block(scan, Kernel::element_bits, [&](const Block& block) {
            __m512i acc[N][2];
#pragma GCC unroll 8
            for (unsigned i = 0; i < N; ++i) acc[i][0] = acc[i][1] = _mm512_setzero_si512();
            kernel.template accumulate<N>(block, tables, acc);
#pragma GCC unroll 8
            for (unsigned i = 0; i < N; ++i)
                Take::template take<Kernel::lanes>(scan, block, queries[i], bound[i], acc[i]);
        });
    }
};

}  // namespace
}  // namespace fewbits::kernels
