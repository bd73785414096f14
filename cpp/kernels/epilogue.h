// From a sum to a hit or a maximum: the one rule by which every scan, on every instruction set, scores and selects.
//
// Each operation is rounded to float by itself, so vector code that does the same operations in the same order gives
// the same bits. Included by each instruction set's translation unit; everything here is internal to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

[[maybe_unused]] float score_of(const Scan& scan, const ScanQuery& query, float sum, std::uint32_t v) noexcept {
    float score = sum * query.scale;
    score = score + query.offset;
    if (scan.a != nullptr) score = score * scan.a[v];
    if (scan.b != nullptr) score = score + query.b_scale * scan.b[v];
    return score + query.constant;
}

[[maybe_unused]] bool is_allowed(const Scan& scan, std::uint32_t v) noexcept {
    if (scan.allow == nullptr) return true;
    const std::size_t row = std::size_t{scan.first_row} + v;
    return ((scan.allow[row / 8] >> (row % 8)) & 1) != 0;
}

// NaN compares false, so it is never a hit.
[[maybe_unused]] void offer(const Scan& scan, ScanQuery& query, float sum, std::uint32_t v) noexcept {
    const float score = score_of(scan, query, sum, v);
    if (score >= query.threshold && is_allowed(scan, v)) query.hits[query.count++] = Hit{scan.first_row + v, score};
}

[[maybe_unused]] void raise(const Scan& scan, ScanQuery& query, float sum, std::uint32_t v) noexcept {
    const float score = score_of(scan, query, sum, v);
    if (score > query.threshold && is_allowed(scan, v)) query.threshold = score;
}

}  // namespace
}  // namespace fewbits::kernels
