// Points against blocks of float vectors, by register tiles.
#pragma once

#include "kernels/avx2/floats.h"
#include "kernels/narrow_tiles.h"

namespace fewbits::kernels {
namespace {

// Points are taken in groups that stay in the L2 cache while every block passes over them.
template <class Finish>
void tile_points(const Tile& tile, const Finish& finish) {
    constexpr std::size_t group_bytes = 64 * 1024;
    const std::size_t fitting = group_bytes / sizeof(float) / (tile.dim + 1) / 3 * 3;
    const std::size_t group = fitting < 12 ? 12 : fitting;
    const auto row = [&](std::uint32_t i) { return tile.points + i * tile.stride; };
    for (std::size_t first = 0; first < tile.n; first += group) {
        const std::size_t end = first + group < tile.n ? first + group : tile.n;
        for (std::uint32_t c = 0; c < tile.k; c += block_size) {
            const std::uint32_t vectors = tile.k - c < block_size ? tile.k - c : block_size;
            const auto* runs = reinterpret_cast<const std::uint8_t*>(tile.blocks + std::size_t{c} * tile.dim);
            tile_block<F32, Dot>({runs, vectors, tile.dim}, static_cast<std::uint32_t>(first),
                                 static_cast<std::uint32_t>(end), row,
                                 [&](std::uint32_t i, const __m256* acc) { finish(i, c, vectors, acc); });
        }
    }
}

// Group g of the values of a block: dot products plus bias. Lanes past the block contain garbage.
__m256 biased(const Tile& tile, std::uint32_t c, std::uint32_t count, __m256 dots) {
    if (!tile.bias) return dots;
    const __m256 bias =
        count >= 8 ? _mm256_loadu_ps(tile.bias + c) : _mm256_maskload_ps(tile.bias + c, first_lanes(count));
    return _mm256_add_ps(dots, bias);
}

// Dimensions j .. j + 3 of 8 points, each in a register whose lanes are the points.
[[gnu::always_inline]] inline void four_dimensions(const float* const (&points)[8], std::size_t j, __m256 (&out)[4]) {
    __m256 x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        x[i] = _mm256_castps128_ps256(_mm_loadu_ps(points[i] + j));
        x[i] = _mm256_insertf128_ps(x[i], _mm_loadu_ps(points[4 + i] + j), 1);
    }
    const __m256d low[2] = {_mm256_castps_pd(_mm256_unpacklo_ps(x[0], x[1])),
                            _mm256_castps_pd(_mm256_unpacklo_ps(x[2], x[3]))};
    const __m256d high[2] = {_mm256_castps_pd(_mm256_unpackhi_ps(x[0], x[1])),
                             _mm256_castps_pd(_mm256_unpackhi_ps(x[2], x[3]))};
    out[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low[0], low[1]));
    out[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low[0], low[1]));
    out[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high[0], high[1]));
    out[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high[0], high[1]));
}

// A single candidate fills one lane of a register; 8 points fill all of them.
void dot_of_one(const Tile& tile, float* out, std::size_t out_stride) {
    const std::uint32_t whole = tile.dim / 4 * 4;
    for (std::size_t first = 0; first < tile.n; first += 8) {
        const std::size_t count = tile.n - first < 8 ? tile.n - first : 8;
        const float* points[8];
        for (std::size_t i = 0; i < 8; ++i) points[i] = tile.points + (first + (i < count ? i : 0)) * tile.stride;
        __m256 acc = _mm256_setzero_ps(), x[4];
        for (std::size_t j = 0; j < whole; j += 4) {
            four_dimensions(points, j, x);
#pragma GCC unroll 4
            for (std::size_t i = 0; i < 4; ++i) acc = Dot::step(_mm256_broadcast_ss(tile.blocks + j + i), x[i], acc);
        }
        for (std::size_t j = whole; j < tile.dim; ++j) {
            alignas(32) float of_points[8];
            for (int i = 0; i < 8; ++i) of_points[i] = points[i][j];
            acc = Dot::step(_mm256_broadcast_ss(tile.blocks + j), _mm256_load_ps(of_points), acc);
        }
        if (tile.bias) acc = _mm256_add_ps(acc, _mm256_broadcast_ss(tile.bias));
        alignas(32) float dots[8];
        _mm256_store_ps(dots, acc);
        for (std::size_t i = 0; i < count; ++i) out[(first + i) * out_stride] = dots[i];
    }
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
    if (tile.k == 1) return dot_of_one(tile, out, out_stride);
    tile_points(tile, [&](std::uint32_t i, std::uint32_t c, std::uint32_t vectors, const __m256* acc) {
        float* to = out + i * out_stride + c;
        for (std::uint32_t first = 0; first < vectors; first += 8) {
            const __m256 value = biased(tile, c + first, vectors - first, acc[first / 8]);
            if (vectors - first >= 8) {
                _mm256_storeu_ps(to + first, value);
            } else {  // masked stores are slow, so only here
                _mm256_maskstore_ps(to + first, first_lanes(vectors - first), value);
            }
        }
    });
}

float largest(__m256 x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

void best_of_blocks(const Tile& tile, std::uint32_t* best, float* score) {
    const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
    for (std::size_t i = 0; i < tile.n; ++i) {
        best[i] = 0;
        score[i] = -__builtin_inff();
    }
    tile_points(tile, [&](std::uint32_t i, std::uint32_t c, std::uint32_t vectors, const __m256* acc) {
        __m256 values[4];
        __m256 top = lowest;
        for (std::uint32_t g = 0; g * 8 < vectors; ++g) {
            const std::uint32_t count = vectors - g * 8;
            const __m256 value = biased(tile, c + g * 8, count, acc[g]);
            values[g] = count >= 8 ? value : _mm256_blendv_ps(lowest, value, _mm256_castsi256_ps(first_lanes(count)));
            top = _mm256_max_ps(values[g], top);  // in this order a NaN leaves top unchanged
        }
        const float value = largest(top);
        if (!(value > score[i])) return;
        std::uint32_t equal = 0;
        for (std::uint32_t g = 0; g * 8 < vectors; ++g) {
            const __m256 is_top = _mm256_cmp_ps(values[g], _mm256_set1_ps(value), _CMP_EQ_OQ);
            equal |= static_cast<std::uint32_t>(_mm256_movemask_ps(is_top)) << (g * 8);
        }
        alignas(32) float all[block_size];
        for (std::uint32_t g = 0; g * 8 < vectors; ++g) _mm256_store_ps(all + std::size_t{8} * g, values[g]);
        const auto lane = static_cast<std::uint32_t>(__builtin_ctz(equal));
        best[i] = c + lane;
        score[i] = all[lane];  // not `value`: of two zeros, the first one's sign counts
    });
}

// The best lane of a point; among equal values, the one with the smallest number.
void best_lane(__m256 tops, __m256i numbers, std::uint32_t* best, float* score) {
    const __m256i is_top = _mm256_castps_si256(_mm256_cmp_ps(tops, _mm256_set1_ps(largest(tops)), _CMP_EQ_OQ));
    const __m256i of_tops = _mm256_or_si256(numbers, _mm256_xor_si256(is_top, _mm256_set1_epi32(-1)));
    const __m128i four = _mm_min_epu32(_mm256_castsi256_si128(of_tops), _mm256_extracti128_si256(of_tops, 1));
    const __m128i two = _mm_min_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    const __m128i one = _mm_min_epu32(two, _mm_shuffle_epi32(two, 0xb1));
    const __m256i chosen = _mm256_cmpeq_epi32(of_tops, _mm256_broadcastd_epi32(one));
    alignas(32) float all[8];
    _mm256_store_ps(all, tops);
    *best = static_cast<std::uint32_t>(_mm_cvtsi128_si32(one));
    *score = all[__builtin_ctz(static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(chosen))))];
}

// N points of D dimensions against whole groups of 8 vectors. Each lane keeps the first of its best values, and the
// lanes are compared at the end: with so few dimensions, finding the best of every block would take most of the time.
struct Narrow {
    static constexpr std::uint32_t lanes = 8;

    template <unsigned D, unsigned N>
    static void best_of_lanes(const Tile& tile, std::size_t first, std::uint32_t* best, float* score) {
        __m256 point[N][D], top[N];
        __m256i where[N];
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const float* from = tile.points + (first + i) * tile.stride;
#pragma GCC unroll 8
            for (unsigned j = 0; j < D; ++j) point[i][j] = _mm256_broadcast_ss(from + j);
            top[i] = _mm256_set1_ps(-__builtin_inff());
            where[i] = _mm256_setzero_si256();
        }
        __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        for (std::uint32_t c = 0; c < tile.k; c += block_size) {
            const std::uint32_t vectors = tile.k - c < block_size ? tile.k - c : block_size;
            for (std::uint32_t g = 0; g < vectors; g += 8) {
                const float* run = tile.blocks + std::size_t{c} * D + g;
                __m256 x[D];
#pragma GCC unroll 8
                for (unsigned j = 0; j < D; ++j) x[j] = _mm256_loadu_ps(run + std::size_t{j} * vectors);
#pragma GCC unroll 8
                for (unsigned i = 0; i < N; ++i) {
                    __m256 value = _mm256_setzero_ps();
#pragma GCC unroll 8
                    for (unsigned j = 0; j < D; ++j) value = _mm256_fmadd_ps(point[i][j], x[j], value);
                    value = biased(tile, c + g, 8, value);
                    const __m256i better = _mm256_castps_si256(_mm256_cmp_ps(value, top[i], _CMP_GT_OQ));
                    where[i] = _mm256_blendv_epi8(where[i], numbers, better);
                    top[i] = _mm256_max_ps(value, top[i]);  // in this order NaN and equal values leave top unchanged
                }
                numbers = _mm256_add_epi32(numbers, _mm256_set1_epi32(8));
            }
        }
        for (unsigned i = 0; i < N; ++i) {
            const std::size_t at = first + i;
            best_lane(top[i], where[i], best + at, score + at);
        }
    }
};

void tile_best(const Tile& tile, std::uint32_t* best, float* score) {
    if (!best_of_narrow<Narrow>(tile, best, score)) best_of_blocks(tile, best, score);
}

}  // namespace
}  // namespace fewbits::kernels
