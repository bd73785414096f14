// The float scans and their maxima, as specified.
#pragma once

#include "kernels/epilogue.h"
#include "kernels/scalar/floats.h"

namespace fewbits::kernels {
namespace {

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

}  // namespace
}  // namespace fewbits::kernels
