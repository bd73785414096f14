// The float scans and their maxima, by register tiles.
#pragma once

#include "kernels/avx2/floats.h"

namespace fewbits::kernels {
namespace {

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

}  // namespace
}  // namespace fewbits::kernels
