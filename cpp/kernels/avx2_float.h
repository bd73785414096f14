// The float kernels on AVX2 with FMA and F16C. Scans and tiles are one register tile: 3 queries (or points) by 32
// vectors, 12 accumulators, each the specification's chain of fused sums for its (query, vector), so the bits agree by
// construction.
#pragma once

#include <immintrin.h>

#include "kernels/avx2_score.h"
#include "kernels/kernels.h"
#include "kernels/narrow_tiles.h"

namespace fewbits::kernels {
namespace {

// --- elements: 8 at a time, or the first `count` of 8 without reading further, the others zero ----------------------

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

// --- what is summed ------------------------------------------------------------------------------------------------

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

// Q queries against the G groups of 8 vectors of a block; with Partial the last group is not full. Unrolled by pragma
// and handed out as a copy: otherwise the compiler keeps the accumulators in memory, at a third of the speed.
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

// Queries first .. end - 1, by threes; a rest of four goes as two pairs, since a lone query fills the pipeline badly.
template <class Element, class Sum, int G, bool Partial, class Row, class Finish>
void tile_column(const FloatBlock& block, std::uint32_t first, std::uint32_t end, const Row& row,
                 const Finish& finish) {
    for (; end - first == 3 || end - first > 4; first += 3) {
        tile_step<Element, Sum, 3, G, Partial>(block, first, row, finish);
    }
    for (; end - first >= 2; first += 2) tile_step<Element, Sum, 2, G, Partial>(block, first, row, finish);
    if (first < end) tile_step<Element, Sum, 1, G, Partial>(block, first, row, finish);
}

// row(i) is query i; finish(i, acc) gets its sums, (vectors + 7) / 8 registers of which lanes past the block are noise.
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

// --- scans ---------------------------------------------------------------------------------------------------------

template <class Element, class Sum, auto take = take_block>
void scan_floats(const Scan& scan) {
    const auto row = [&](std::uint32_t i) { return static_cast<const float*>(scan.queries[i].table); };
    for (std::uint32_t v = 0; v < scan.n; v += block_size) {
        const std::uint32_t vectors = scan.n - v < block_size ? scan.n - v : block_size;
        const std::uint32_t wanted = allowed_bits(scan, v, vectors);
        if (!wanted) continue;
        const FloatBlock block{scan.codes + std::size_t{v} * scan.m * Element::bytes, vectors, scan.m};
        tile_block<Element, Sum>(block, 0, scan.n_queries, row, [&](std::uint32_t i, const __m256* acc) {
            take(scan, scan.queries[i], v, vectors, wanted, acc);
        });
    }
}

void dot_f32(const Scan& scan) {
    scan_floats<F32, Dot>(scan);
}
void dot_f16(const Scan& scan) {
    scan_floats<F16, Dot>(scan);
}
void l2_f32(const Scan& scan) {
    scan_floats<F32, NegatedL2>(scan);
}
void l2_f16(const Scan& scan) {
    scan_floats<F16, NegatedL2>(scan);
}

void max_dot_f32(const Scan& scan) {
    scan_floats<F32, Dot, raise_block>(scan);
}
void max_dot_f16(const Scan& scan) {
    scan_floats<F16, Dot, raise_block>(scan);
}

// --- tiles ---------------------------------------------------------------------------------------------------------

// Points go in groups that stay in the second-level cache while every block passes over them.
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

// Group g of a block's values: dots plus bias. Lanes past the block are noise.
__m256 biased(const Tile& tile, std::uint32_t c, std::uint32_t count, __m256 dots) {
    if (!tile.bias) return dots;
    const __m256 bias =
        count >= 8 ? _mm256_loadu_ps(tile.bias + c) : _mm256_maskload_ps(tile.bias + c, first_lanes(count));
    return _mm256_add_ps(dots, bias);
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
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
            top = _mm256_max_ps(values[g], top);  // in this order a NaN leaves top as it is
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
        score[i] = all[lane];  // not `value`: of two zeros the first one's sign counts
    });
}

// A point's best among the lanes: of equals the one with the least number.
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

// N points of D dimensions against whole groups of 8 vectors. Each lane keeps the first of its own best and the lanes
// meet at the end: with so few dimensions a look at every block's best would take most of the time.
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
                    top[i] = _mm256_max_ps(value, top[i]);  // in this order a NaN leaves top as it is, and so do equals
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

// --- rows ----------------------------------------------------------------------------------------------------------

// Halves: 16 lanes to 8, 4, 2 and 1.
float sum_lanes(__m256 low, __m256 high) {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

template <class Element, class Sum, int R>
void along_rows(const float* query, const std::uint8_t* const (&row)[R], std::uint32_t dim, float* out) {
    __m256 acc[R][2];
    for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_ps();
    std::size_t j = 0;
    for (; j + 16 <= dim; j += 16) {
        const __m256 low = _mm256_loadu_ps(query + j), high = _mm256_loadu_ps(query + j + 8);
        for (int r = 0; r < R; ++r) {
            acc[r][0] = Sum::step(low, Element::load(row[r] + j * Element::bytes), acc[r][0]);
            acc[r][1] = Sum::step(high, Element::load(row[r] + (j + 8) * Element::bytes), acc[r][1]);
        }
    }
    if (j < dim) {
        const auto left = static_cast<std::uint32_t>(dim - j);
        const std::uint32_t first = left < 8 ? left : 8;
        const std::uint32_t second = left - first;
        const auto* at = reinterpret_cast<const std::uint8_t*>(query + j);
        const __m256 low = F32::load_first(at, first), high = F32::load_first(at + first * 4, second);
        for (int r = 0; r < R; ++r) {
            const std::uint8_t* x = row[r] + j * Element::bytes;
            acc[r][0] = Sum::step(low, Element::load_first(x, first), acc[r][0]);
            acc[r][1] = Sum::step(high, Element::load_first(x + first * Element::bytes, second), acc[r][1]);
        }
    }
    for (int r = 0; r < R; ++r) out[r] = sum_lanes(acc[r][0], acc[r][1]);
}

// Four rows at a time hide the latency of the sums, and of memory: asking for the next four by prefetch was slower.
template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    const auto* query = static_cast<const float*>(rows.query);
    auto* out = static_cast<float*>(rows.out);
    const auto row = [&](std::size_t i) { return rows.base + (rows.rows ? rows.rows[i] : i) * rows.stride; };
    std::size_t i = 0;
    for (; i + 4 <= rows.n; i += 4) {
        along_rows<Element, Sum, 4>(query, {row(i), row(i + 1), row(i + 2), row(i + 3)}, rows.dim, out + i);
    }
    for (; i < rows.n; ++i) along_rows<Element, Sum, 1>(query, {row(i)}, rows.dim, out + i);
}

void rows_dot_f32(const Rows& rows) {
    sum_rows<F32, Dot>(rows);
}
void rows_dot_f16(const Rows& rows) {
    sum_rows<F16, Dot>(rows);
}
void rows_l2_f32(const Rows& rows) {
    sum_rows<F32, L2>(rows);
}
void rows_l2_f16(const Rows& rows) {
    sum_rows<F16, L2>(rows);
}

}  // namespace
}  // namespace fewbits::kernels
