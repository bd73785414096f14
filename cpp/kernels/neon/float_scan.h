// The float scans and their maxima, by register tiles.
#pragma once

#include "kernels/neon/floats.h"
#include "kernels/neon/score.h"

namespace fewbits::kernels {
namespace {

template <class Element, class Sum, auto take = take_block>
void scan_floats(const Scan& scan) {
    const auto row = [&](std::uint32_t i) { return static_cast<const float*>(scan.queries[i].table); };
    for_blocks(scan, 8 * Element::bytes, 0, scan.n, [&](const CodeBlock& block, const std::uint8_t* codes) {
        tile_block<Element, Sum>(
            {codes, block.vectors, scan.m}, 0, scan.n_queries, row,
            [&](std::uint32_t i, const float32x4_t* acc) { take(scan, scan.queries[i], block, acc); });
    });
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
