// Points against blocks of float vectors.
#pragma once

#include "kernels/avx512/floats.h"
#include "kernels/narrow_tiles.h"

namespace fewbits::kernels {
namespace {

// Candidates first .. first + vectors - 1 of a tile, and their biases (zeros past the last one).
struct TileBlock {
    std::uint32_t first;
    std::uint32_t vectors;
    __m512 bias[2];
};

// Calls take(point, block, {low, high}) for N points at a time, then for the remaining ones of `count`.
template <unsigned N, class Take>
void tile_points(const Tile& tile, const TileBlock& block, std::uint32_t point, std::uint32_t count, const Take& take) {
    const auto* codes = reinterpret_cast<const std::uint8_t*>(tile.blocks + std::size_t{block.first} * tile.dim);
    for (; count >= N; count -= N, point += N) {
        const float* points[N];
        for (unsigned i = 0; i < N; ++i) points[i] = tile.points + (std::size_t{point} + i) * tile.stride;
        __m512 acc[N][2];
        if (block.vectors == block_size) {
            along_runs<F32, Dot, true, N>(codes, block_size, tile.dim, points, acc);
        } else {
            along_runs<F32, Dot, false, N>(codes, block.vectors, tile.dim, points, acc);
        }
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            if (tile.bias) {
                acc[i][0] = _mm512_add_ps(acc[i][0], block.bias[0]);
                acc[i][1] = _mm512_add_ps(acc[i][1], block.bias[1]);
            }
            take(point + i, block, acc[i]);
        }
    }
    if constexpr (N > 1) {
        if (count > 0) tile_points<N - 1>(tile, block, point, count, take);
    }
}

// The outer loop is over blocks, so that a block stays in the cache while all points are processed.
template <class Take>
FEWBITS_INLINE void each_tile(const Tile& tile, const Take& take) {
    for (std::uint32_t first = 0, vectors; first < tile.k; first += vectors) {
        vectors = lesser(tile.k - first, block_size);
        TileBlock block{first, vectors, {_mm512_setzero_ps(), _mm512_setzero_ps()}};
        if (tile.bias) {
            block.bias[0] = _mm512_maskz_loadu_ps(first_16(vectors), tile.bias + first);
            block.bias[1] = _mm512_maskz_loadu_ps(first_16(past_16(vectors)), tile.bias + first + 16);
        }
        tile_points<8>(tile, block, 0, tile.n, take);
    }
}

// Dimensions j .. j + 3 of 16 points (of the first `count` of these), each in a register whose lanes are the points.
FEWBITS_INLINE void four_dimensions(const float* const (&points)[16], std::uint32_t j, std::uint32_t count,
                                    __m512 (&out)[4]) {
    const auto present = static_cast<std::uint8_t>(first_16(lesser(count, 4)));
    __m512 x[4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
        x[i] = _mm512_castps128_ps512(_mm_maskz_loadu_ps(present, points[i] + j));
        x[i] = _mm512_insertf32x4(x[i], _mm_maskz_loadu_ps(present, points[4 + i] + j), 1);
        x[i] = _mm512_insertf32x4(x[i], _mm_maskz_loadu_ps(present, points[8 + i] + j), 2);
        x[i] = _mm512_insertf32x4(x[i], _mm_maskz_loadu_ps(present, points[12 + i] + j), 3);
    }
    const __m512d low[2] = {_mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1])),
                            _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]))};
    const __m512d high[2] = {_mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1])),
                             _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]))};
    out[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]));
    out[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]));
    out[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]));
    out[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]));
}

// A single candidate fills one lane of a register; 16 points fill all of them.
void dot_of_one(const Tile& tile, float* out, std::size_t out_stride) {
    for (std::uint32_t first = 0; first < tile.n; first += 16) {
        const float* points[16];
        for (std::uint32_t i = 0; i < 16; ++i)
            points[i] = tile.points + std::size_t{lesser(first + i, tile.n - 1)} * tile.stride;
        __m512 acc = _mm512_setzero_ps(), x[4];
        std::uint32_t j = 0;
        for (; j + 4 <= tile.dim; j += 4) {
            four_dimensions(points, j, 4, x);
#pragma GCC unroll 4
            for (unsigned i = 0; i < 4; ++i) acc = _mm512_fmadd_ps(x[i], _mm512_set1_ps(tile.blocks[j + i]), acc);
        }
        if (j < tile.dim) four_dimensions(points, j, tile.dim - j, x);
        for (unsigned i = 0; j + i < tile.dim; ++i)
            acc = _mm512_fmadd_ps(x[i], _mm512_set1_ps(tile.blocks[j + i]), acc);
        if (tile.bias) acc = _mm512_add_ps(acc, _mm512_set1_ps(tile.bias[0]));
        float dots[16];
        _mm512_storeu_ps(dots, acc);
        for (std::uint32_t i = 0; i < lesser(tile.n - first, 16); ++i) out[(first + i) * out_stride] = dots[i];
    }
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
    if (tile.k == 1) return dot_of_one(tile, out, out_stride);
    each_tile(tile, [=](std::uint32_t point, const TileBlock& block, const __m512(&values)[2]) {
        float* row = out + point * out_stride + block.first;
        _mm512_mask_storeu_ps(row, first_16(block.vectors), values[0]);
        if (block.vectors > 16) _mm512_mask_storeu_ps(row + 16, first_16(block.vectors - 16), values[1]);
    });
}

void best_of_blocks(const Tile& tile, std::uint32_t* best, float* score) {
    for (std::uint32_t i = 0; i < tile.n; ++i) {
        best[i] = 0;
        score[i] = -__builtin_inff();
    }
    each_tile(tile, [=](std::uint32_t point, const TileBlock& block, const __m512(&values)[2]) {
        const __m512 so_far = _mm512_set1_ps(score[point]);
        const __mmask16 better[2] = {
            _mm512_mask_cmp_ps_mask(first_16(block.vectors), values[0], so_far, _CMP_GT_OQ),
            _mm512_mask_cmp_ps_mask(first_16(past_16(block.vectors)), values[1], so_far, _CMP_GT_OQ)};
        if (!(better[0] | better[1])) return;
        const __m512 low = _mm512_mask_mov_ps(so_far, better[0], values[0]);  // without NaN and worse values
        const __m512 high = _mm512_mask_mov_ps(so_far, better[1], values[1]);
        const __m512 peak = _mm512_set1_ps(_mm512_reduce_max_ps(_mm512_max_ps(low, high)));
        const std::uint32_t first = _mm512_cmp_ps_mask(low, peak, _CMP_EQ_OQ);
        const std::uint32_t second = _mm512_cmp_ps_mask(high, peak, _CMP_EQ_OQ);
        float candidates[block_size];  // read back, as a maximum of zeros may have either sign
        _mm512_storeu_ps(candidates, low);
        _mm512_storeu_ps(candidates + 16, high);
        const auto winner = static_cast<std::uint32_t>(__builtin_ctz(first | second << 16));
        best[point] = block.first + winner;
        score[point] = candidates[winner];
    });
}

// The best lane of a point; among equal values, the one with the smallest number.
FEWBITS_INLINE void best_lane(__m512 tops, __m512i numbers, std::uint32_t* best, float* score) {
    const __m512 peak = _mm512_set1_ps(_mm512_reduce_max_ps(tops));
    const __m512i of_tops =
        _mm512_mask_mov_epi32(_mm512_set1_epi32(-1), _mm512_cmp_ps_mask(tops, peak, _CMP_EQ_OQ), numbers);
    const __m256i eight = _mm256_min_epu32(_mm512_castsi512_si256(of_tops), _mm512_extracti64x4_epi64(of_tops, 1));
    const __m128i four = _mm_min_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_min_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    const __m128i one = _mm_min_epu32(two, _mm_shuffle_epi32(two, 0xb1));
    const __mmask16 chosen = _mm512_cmpeq_epi32_mask(of_tops, _mm512_broadcastd_epi32(one));
    float all[16];  // read back, as a maximum of zeros may have either sign
    _mm512_storeu_ps(all, tops);
    *best = static_cast<std::uint32_t>(_mm_cvtsi128_si32(one));
    *score = all[__builtin_ctz(chosen)];
}

// N points of D dimensions against whole groups of 16 vectors. Each lane keeps the first of its best values, and the
// lanes are compared at the end: with so few dimensions, finding the best of every block would take most of the time.
struct Narrow {
    static constexpr std::uint32_t lanes = 16;

    template <unsigned D, unsigned N>
    static void best_of_lanes(const Tile& tile, std::size_t first, std::uint32_t* best, float* score) {
        const float* point[N];
        __m512 top[N];
        __m512i where[N];
#pragma GCC unroll 4
        for (unsigned i = 0; i < N; ++i) {
            point[i] = tile.points + (first + i) * tile.stride;
            top[i] = _mm512_set1_ps(-__builtin_inff());
            where[i] = _mm512_setzero_si512();
        }
        __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for (std::uint32_t c = 0; c < tile.k; c += block_size) {
            const std::uint32_t vectors = lesser(tile.k - c, block_size);
            for (std::uint32_t g = 0; g < vectors; g += 16) {
                const float* run = tile.blocks + std::size_t{c} * D + g;
                const __m512 bias = tile.bias ? _mm512_loadu_ps(tile.bias + c + g) : _mm512_setzero_ps();
                __m512 x[D];
#pragma GCC unroll 8
                for (unsigned j = 0; j < D; ++j) x[j] = _mm512_loadu_ps(run + std::size_t{j} * vectors);
#pragma GCC unroll 4
                for (unsigned i = 0; i < N; ++i) {
                    __m512 value = _mm512_setzero_ps();
#pragma GCC unroll 8
                    for (unsigned j = 0; j < D; ++j) value = _mm512_fmadd_ps(_mm512_set1_ps(point[i][j]), x[j], value);
                    if (tile.bias) value = _mm512_add_ps(value, bias);
                    const __mmask16 better = _mm512_cmp_ps_mask(value, top[i], _CMP_GT_OQ);
                    top[i] = _mm512_mask_mov_ps(top[i], better, value);
                    where[i] = _mm512_mask_mov_epi32(where[i], better, numbers);
                }
                numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
            }
        }
        for (unsigned i = 0; i < N; ++i) best_lane(top[i], where[i], best + first + i, score + first + i);
    }
};

void tile_best(const Tile& tile, std::uint32_t* best, float* score) {
    if (!best_of_narrow<Narrow>(tile, best, score)) best_of_blocks(tile, best, score);
}

}  // namespace
}  // namespace fewbits::kernels
