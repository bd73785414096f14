// Floats and halves in code buffers, and sums over them, as specified: one vector and one dimension at a time. Their
// results are the definition that every instruction set matches bit for bit (except signs and payloads of NaN);
// README.md states it in words.
#pragma once

#include <cstddef>
#include <cstdint>

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
    if (magnitude > 0x7f800000u) {  // a NaN becomes quiet and keeps the high bits of its payload
        half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    } else if (magnitude >= 0x477ff000u) {  // from halfway between 65504 and 2^16 on
        half = 0x7c00u;
    } else if (magnitude >= 0x38800000u) {  // normal: a carry out of the mantissa correctly raises the exponent
        half = shift_to_even(magnitude - (112u << 23), 13);
    } else if (magnitude > 0x33000000u) {  // subnormal: in units of 2^-24
        half = shift_to_even((magnitude & 0x7fffffu) | 0x800000u, 126 - (magnitude >> 23));
    } else {  // up to half of the smallest subnormal
        half = 0;
    }
    return static_cast<std::uint16_t>(sign | half);
}

// Elements of code buffers, at any alignment.
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

// --- the terms of a sum --------------------------------------------------------------------------------------------

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

}  // namespace
}  // namespace fewbits::kernels
