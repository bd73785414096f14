// The elementwise kernels, as specified.
#pragma once

#include "kernels/scalar/floats.h"

namespace fewbits::kernels {
namespace {

void f32_to_f16(const float* x, std::size_t n, std::uint16_t* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = narrow(x[i]);
}

void f16_to_f32(const std::uint16_t* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}

void add_to_buckets(const Buckets& buckets) {
    for (std::size_t i = 0; i < buckets.n; ++i) {
        float* sum = buckets.out + buckets.bucket[i] * buckets.dim;
        for (std::size_t j = 0; j < buckets.dim; ++j) sum[j] = sum[j] + buckets.x[i * buckets.stride + j];
    }
}

// The stages at distances from `half` up.
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

// The comparisons are written so that a NaN is encoded as `low`.
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
