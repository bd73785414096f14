// Points against blocks of float vectors, by register tiles.
#pragma once

#include "kernels/narrow_tiles.h"
#include "kernels/neon/floats.h"
#include "kernels/neon/score.h"

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
            const std::uint32_t vectors = min(tile.k - c, block_size);
            const auto* runs = reinterpret_cast<const std::uint8_t*>(tile.blocks + std::size_t{c} * tile.dim);
            tile_block<F32, Dot>({runs, vectors, tile.dim}, static_cast<std::uint32_t>(first),
                                 static_cast<std::uint32_t>(end), row,
                                 [&](std::uint32_t i, const float32x4_t* acc) { finish(i, c, vectors, acc); });
        }
    }
}

// The values of `count` vectors of a block: dot products plus bias.
[[gnu::always_inline]] inline void values_of(const Tile& tile, std::uint32_t c, std::uint32_t count,
                                             const float32x4_t* acc, float32x4_t (&values)[8]) {
    const Factors bias(tile.bias, CodeBlock{c, count, 0, 0});
#pragma GCC unroll 8
    for (std::size_t g = 0; g < 8; ++g)
        values[g] = bias.at != nullptr ? vaddq_f32(acc[g], vld1q_f32(bias.at + 4 * g)) : acc[g];
}

// Dimensions j .. j + 3 of 4 points, each in a register whose lanes are the points.
[[gnu::always_inline]] inline void four_dimensions(const float* const* points, std::size_t j, float32x4_t (&out)[4]) {
    float64x2_t even[2], odd[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
        const float32x4_t first = vld1q_f32(points[2 * i] + j), second = vld1q_f32(points[2 * i + 1] + j);
        even[i] = vreinterpretq_f64_f32(vtrn1q_f32(first, second));
        odd[i] = vreinterpretq_f64_f32(vtrn2q_f32(first, second));
    }
    out[0] = vreinterpretq_f32_f64(vtrn1q_f64(even[0], even[1]));
    out[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd[0], odd[1]));
    out[2] = vreinterpretq_f32_f64(vtrn2q_f64(even[0], even[1]));
    out[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd[0], odd[1]));
}

// A single candidate fills one lane of a register; points fill all of them, in two registers.
void dot_of_one(const Tile& tile, float* out, std::size_t out_stride) {
    const std::uint32_t whole = tile.dim / 4 * 4;
    for (std::size_t first = 0; first < tile.n; first += 8) {
        const std::size_t count = tile.n - first < 8 ? tile.n - first : 8;
        const float* points[8];
        for (std::size_t i = 0; i < 8; ++i) points[i] = tile.points + (first + (i < count ? i : 0)) * tile.stride;
        float32x4_t acc[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
        for (std::size_t j = 0; j < whole; j += 4) {
            const float32x4_t candidate = vld1q_f32(tile.blocks + j);
#pragma GCC unroll 2
            for (std::size_t half = 0; half < 2; ++half) {
                float32x4_t x[4];
                four_dimensions(points + 4 * half, j, x);
                acc[half] = Dot::step_by<0>(candidate, x[0], acc[half]);
                acc[half] = Dot::step_by<1>(candidate, x[1], acc[half]);
                acc[half] = Dot::step_by<2>(candidate, x[2], acc[half]);
                acc[half] = Dot::step_by<3>(candidate, x[3], acc[half]);
            }
        }
        for (std::size_t j = whole; j < tile.dim; ++j) {
            float of_points[8];
            for (std::size_t i = 0; i < 8; ++i) of_points[i] = points[i][j];
            for (std::size_t half = 0; half < 2; ++half)
                acc[half] = Dot::step(vdupq_n_f32(tile.blocks[j]), vld1q_f32(of_points + 4 * half), acc[half]);
        }
        float dots[8];
        for (std::size_t half = 0; half < 2; ++half) {
            if (tile.bias) acc[half] = vaddq_f32(acc[half], vdupq_n_f32(tile.bias[0]));
            vst1q_f32(dots + 4 * half, acc[half]);
        }
        for (std::size_t i = 0; i < count; ++i) out[(first + i) * out_stride] = dots[i];
    }
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
    if (tile.k == 1) return dot_of_one(tile, out, out_stride);
    tile_points(tile, [&](std::uint32_t i, std::uint32_t c, std::uint32_t vectors, const float32x4_t* acc) {
        float* to = out + i * out_stride + c;
        float32x4_t values[8];
        values_of(tile, c, vectors, acc, values);
        float some[block_size];
        float* const at = vectors == block_size ? to : some;
#pragma GCC unroll 8
        for (std::size_t g = 0; g < 8; ++g) vst1q_f32(at + 4 * g, values[g]);
        if (vectors < block_size) __builtin_memcpy(to, some, vectors * sizeof(float));
    });
}

void best_of_blocks(const Tile& tile, std::uint32_t* best, float* score) {
    const float32x4_t lowest = vdupq_n_f32(-__builtin_inff());
    for (std::size_t i = 0; i < tile.n; ++i) {
        best[i] = 0;
        score[i] = -__builtin_inff();
    }
    tile_points(tile, [&](std::uint32_t i, std::uint32_t c, std::uint32_t vectors, const float32x4_t* acc) {
        float32x4_t values[8];
        values_of(tile, c, vectors, acc, values);
        float all[block_size];
#pragma GCC unroll 8
        for (std::size_t g = 0; g < 8; ++g) vst1q_f32(all + 4 * g, values[g]);
        for (std::uint32_t v = vectors; v < block_size; ++v) all[v] = -__builtin_inff();
        float32x4_t top = lowest;
#pragma GCC unroll 8
        for (std::size_t g = 0; g < 8; ++g) top = greater(top, vld1q_f32(all + 4 * g));
        const float value = vmaxnmvq_f32(top);
        if (!(value > score[i])) return;
        uint32x4_t equal[8];
#pragma GCC unroll 8
        for (std::size_t g = 0; g < 8; ++g) equal[g] = vceqq_f32(vld1q_f32(all + 4 * g), vdupq_n_f32(value));
        const auto lane = static_cast<std::uint32_t>(__builtin_ctz(bits_of(equal)));
        best[i] = c + lane;
        score[i] = all[lane];  // not `value`: of two zeros, the first one's sign counts
    });
}

// The best lane of a point; among equal values, the one with the smallest number.
[[maybe_unused]] void best_lane(float32x4_t tops, uint32x4_t numbers, std::uint32_t* best, float* score) {
    const uint32x4_t is_top = vceqq_f32(tops, vdupq_n_f32(vmaxnmvq_f32(tops)));
    const uint32x4_t of_tops = vornq_u32(numbers, is_top);
    const std::uint32_t first = vminvq_u32(of_tops);
    float all[4];
    std::uint32_t of[4];
    vst1q_f32(all, tops);
    vst1q_u32(of, of_tops);
    *best = first;
    for (int lane = 3; lane >= 0; --lane)
        if (of[lane] == first) *score = all[lane];
}

// N points of D dimensions against whole groups of 4 vectors. Each lane keeps the first of its best values, and the
// lanes are compared at the end: with so few dimensions, finding the best of every block would take most of the time.
struct Narrow {
    static constexpr std::uint32_t lanes = 4;

    // value += point[j] * x[j] for j from J on.
    template <unsigned D, unsigned J>
    [[gnu::always_inline]] static float32x4_t dot(const float32x4_t (&point)[2], const float32x4_t (&x)[D],
                                                  float32x4_t value) {
        value = vfmaq_laneq_f32(value, x[J], point[J / 4], J % 4);
        if constexpr (J + 1 < D) return dot<D, J + 1>(point, x, value);
        return value;
    }

    template <unsigned D, unsigned N>
    static void best_of_lanes(const Tile& tile, std::size_t first, std::uint32_t* best, float* score) {
        float32x4_t point[N][2], top[N];
        uint32x4_t where[N];
#pragma GCC unroll 4
        for (unsigned i = 0; i < N; ++i) {
            float padded[8] = {};
            __builtin_memcpy(padded, tile.points + (first + i) * tile.stride, D * sizeof(float));
            point[i][0] = vld1q_f32(padded);
            point[i][1] = vld1q_f32(padded + 4);
            top[i] = vdupq_n_f32(-__builtin_inff());
            where[i] = vdupq_n_u32(0);
        }
        const std::uint32_t from_zero[4] = {0, 1, 2, 3};
        uint32x4_t numbers = vld1q_u32(from_zero);
        for (std::uint32_t c = 0; c < tile.k; c += block_size) {
            const std::uint32_t vectors = min(tile.k - c, block_size);
            for (std::uint32_t g = 0; g < vectors; g += 4) {
                const float* run = tile.blocks + std::size_t{c} * D + g;
                float32x4_t x[D];
#pragma GCC unroll 8
                for (unsigned j = 0; j < D; ++j) x[j] = vld1q_f32(run + std::size_t{j} * vectors);
                const float32x4_t bias = tile.bias ? vld1q_f32(tile.bias + c + g) : vdupq_n_f32(0);
#pragma GCC unroll 4
                for (unsigned i = 0; i < N; ++i) {
                    float32x4_t value = dot<D, 0>(point[i], x, vdupq_n_f32(0));
                    if (tile.bias) value = vaddq_f32(value, bias);
                    const uint32x4_t better = vcgtq_f32(value, top[i]);  // not a NaN, nor an equal value
                    where[i] = vbslq_u32(better, numbers, where[i]);
                    top[i] = vbslq_f32(better, value, top[i]);
                }
                numbers = vaddq_u32(numbers, vdupq_n_u32(4));
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
