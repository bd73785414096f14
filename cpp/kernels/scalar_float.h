// The float kernels, as specified: one vector, one dimension at a time. What they return is the definition that every
// instruction set meets bit for bit (signs and payloads of NaN aside); README.md states it in words.
#pragma once

#include "kernels/epilogue.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// --- f16 -----------------------------------------------------------------------------------------------------------

std::uint32_t bits_of(float x) {
    return __builtin_bit_cast(std::uint32_t, x);
}
float float_of(std::uint32_t bits) {
    return __builtin_bit_cast(float, bits);
}

float widen(std::uint16_t half) {
    const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
    const std::uint32_t exponent = (half >> 10) & 31u;
    const std::uint32_t mantissa = half & 0x3ffu;
    if (exponent == 31) return float_of(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0));
    if (exponent == 0) return float_of(sign | bits_of(static_cast<float>(mantissa) * 0x1p-24f));
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

// value / 2^shift to nearest, ties to even (shift in 1..31).
std::uint32_t shift_to_even(std::uint32_t value, std::uint32_t shift) {
    const std::uint32_t below_half = (1u << (shift - 1)) - 1;
    return (value + below_half + ((value >> shift) & 1)) >> shift;
}

std::uint16_t narrow(float x) {
    const std::uint32_t bits = bits_of(x);
    const std::uint32_t sign = (bits >> 16) & 0x8000u;
    const std::uint32_t magnitude = bits & 0x7fffffffu;
    std::uint32_t half;
    if (magnitude > 0x7f800000u) {  // NaN stays one: quiet, the payload's high bits kept
        half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    } else if (magnitude >= 0x477ff000u) {  // from halfway between 65504 and 2^16 on
        half = 0x7c00u;
    } else if (magnitude >= 0x38800000u) {  // normal: a carry out of the mantissa raises the exponent, as it should
        half = shift_to_even(magnitude - (112u << 23), 13);
    } else if (magnitude > 0x33000000u) {  // subnormal: in units of 2^-24
        half = shift_to_even((magnitude & 0x7fffffu) | 0x800000u, 126 - (magnitude >> 23));
    } else {  // up to half of the smallest subnormal
        half = 0;
    }
    return static_cast<std::uint16_t>(sign | half);
}

void f32_to_f16(const float* x, std::size_t n, std::uint16_t* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = narrow(x[i]);
}

void f16_to_f32(const std::uint16_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}

// Elements as they lie in code buffers, at any alignment.
struct F32 {
    static constexpr std::size_t bytes = 4;
    static float load(const std::uint8_t* at) {
        float x;
        __builtin_memcpy(&x, at, sizeof x);
        return x;
    }
};

struct F16 {
    static constexpr std::size_t bytes = 2;
    static float load(const std::uint8_t* at) {
        std::uint16_t x;
        __builtin_memcpy(&x, at, sizeof x);
        return widen(x);
    }
};

// --- what is summed ------------------------------------------------------------------------------------------------

struct Dot {
    static float step(float q, float x, float acc) { return __builtin_fmaf(q, x, acc); }
};

struct NegatedL2 {
    static float step(float q, float x, float acc) {
        const float difference = q - x;
        return __builtin_fmaf(-difference, difference, acc);
    }
};

struct L2 {
    static float step(float q, float x, float acc) {
        const float difference = q - x;
        return __builtin_fmaf(difference, difference, acc);
    }
};

// --- blocks --------------------------------------------------------------------------------------------------------

// Vector v of a list of n: its dimension j is element at + j * stride of the codes.
struct Place {
    std::size_t at;
    std::size_t stride;
};

Place place(std::uint32_t v, std::uint32_t n, std::uint32_t dim) {
    const std::uint32_t first = v / block_size * block_size;
    const std::uint32_t vectors = n - first < block_size ? n - first : block_size;
    return {std::size_t{first} * dim + (v - first), vectors};
}

template <class Element, class Sum>
float along_run(const float* query, const std::uint8_t* codes, Place p, std::uint32_t dim) {
    float acc = 0;
    for (std::size_t j = 0; j < dim; ++j) {
        acc = Sum::step(query[j], Element::load(codes + (p.at + j * p.stride) * Element::bytes), acc);
    }
    return acc;
}

template <class Element, class Sum, auto take = offer>
void scan_floats(const Scan& scan) {
    for (std::uint32_t i = 0; i < scan.n_queries; ++i) {
        ScanQuery& query = scan.queries[i];
        const auto* values = static_cast<const float*>(query.table);
        for (std::uint32_t v = 0; v < scan.n; ++v) {
            const float acc = along_run<Element, Sum>(values, scan.codes, place(v, scan.n, scan.m), scan.m);
            take(scan, query, acc, v);
        }
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
    scan_floats<F32, Dot, raise>(scan);
}
void max_dot_f16(const Scan& scan) {
    scan_floats<F16, Dot, raise>(scan);
}

// --- rows ----------------------------------------------------------------------------------------------------------

// As if query and row were padded with zeros to a multiple of 16 dimensions.
template <class Element, class Sum>
float along_row(const float* query, const std::uint8_t* row, std::uint32_t dim) {
    float lanes[16] = {};
    for (std::size_t j = 0; j < (std::size_t{dim} + 15) / 16 * 16; ++j) {
        const float q = j < dim ? query[j] : 0.0f;
        const float x = j < dim ? Element::load(row + j * Element::bytes) : 0.0f;
        lanes[j % 16] = Sum::step(q, x, lanes[j % 16]);
    }
    for (std::size_t half = 8; half > 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
    }
    return lanes[0];
}

template <class Element, class Sum>
void sum_rows(const Rows& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        const std::size_t row = rows.rows ? rows.rows[i] : i;
        static_cast<float*>(rows.out)[i] =
            along_row<Element, Sum>(static_cast<const float*>(rows.query), rows.base + row * rows.stride, rows.dim);
    }
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

// --- tiles ---------------------------------------------------------------------------------------------------------

float tile_value(const Tile& tile, std::size_t point, std::uint32_t c) {
    const auto* blocks = reinterpret_cast<const std::uint8_t*>(tile.blocks);
    const float dot =
        along_run<F32, Dot>(tile.points + point * tile.stride, blocks, place(c, tile.k, tile.dim), tile.dim);
    return tile.bias ? dot + tile.bias[c] : dot;
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
    for (std::size_t i = 0; i < tile.n; ++i) {
        for (std::uint32_t c = 0; c < tile.k; ++c) out[i * out_stride + c] = tile_value(tile, i, c);
    }
}

void tile_best(const Tile& tile, std::uint32_t* best, float* score) {
    for (std::size_t i = 0; i < tile.n; ++i) {
        best[i] = 0;
        score[i] = -__builtin_inff();
        for (std::uint32_t c = 0; c < tile.k; ++c) {
            const float value = tile_value(tile, i, c);
            if (value > score[i]) {
                best[i] = c;
                score[i] = value;
            }
        }
    }
}

// --- elementwise ---------------------------------------------------------------------------------------------------

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        for (std::size_t j = 0; j < buckets.dim; ++j) sum[j] = sum[j] + buckets.x[i * buckets.stride + j];
    }
}

// The stages from distance `half` up.
void butterflies(float* x, std::size_t n, std::size_t half) {
    for (; half < n; half *= 2) {
        for (std::size_t first = 0; first < n; first += 2 * half) {
            for (std::size_t i = first; i < first + half; ++i) {
                const float sum = x[i] + x[i + half];
                x[i + half] = x[i] - x[i + half];
                x[i] = sum;
            }
        }
    }
}

void hadamard(float* x, std::size_t n) {
    butterflies(x, n, 1);
}

void signed_hadamard(const SignedHadamard& rows) {
    for (std::size_t i = 0; i < rows.n; ++i) {
        float* out = rows.out + i * rows.out_stride;
        for (std::size_t j = 0; j < rows.size; ++j)
            out[j] = j < rows.dim ? rows.signs[j] * rows.x[i * rows.stride + j] : 0.0f;
        butterflies(out, rows.size, rows.first);
    }
}

// A NaN is encoded as `low`: the comparisons are written so.
void encode_uniform(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out) {
    const long origin = __builtin_lrintf(low);
    for (std::size_t i = 0; i < n; ++i) {
        float value = x[i] * scale;
        value = value > low ? value : low;
        value = value < high ? value : high;
        out[i] = static_cast<std::uint8_t>(__builtin_lrintf(value) - origin);
    }
}

void encode_levels(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out) {
    for (std::size_t i = 0; i < n; ++i) {
        std::uint8_t level = 0;
        for (std::uint32_t e = 0; e < n_edges; ++e) level = static_cast<std::uint8_t>(level + (edges[e] <= x[i]));
        out[i] = level;
    }
}

}  // namespace
}  // namespace fewbits::kernels
