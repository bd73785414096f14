// The float scans and their maxima.
#pragma once

#include "kernels/avx512/blocks.h"
#include "kernels/avx512/floats.h"

namespace fewbits::kernels {
namespace {

template <class Element, class Sum, auto take>
struct FloatScan {
    static constexpr unsigned max_queries = 8;

    template <unsigned N>
    static void pass(const Scan& scan, ScanQuery* queries) {
        const float* values[N];
        for (unsigned i = 0; i < N; ++i) values[i] = static_cast<const float*>(queries[i].table);
        each_block(scan, Element::bits, [&](const Block& block) {
            __m512 acc[N][2];
            if (block.vectors == block_size) {
                along_runs<Element, Sum, true, N>(block.codes, block_size, scan.m, values, acc);
            } else {
                along_runs<Element, Sum, false, N>(block.codes, block.vectors, scan.m, values, acc);
            }
#pragma GCC unroll 8
            for (unsigned i = 0; i < N; ++i) take(scan, block, queries[i], acc[i][0], acc[i][1]);
        });
    }
};

template <class Element, class Sum, auto take = take_floats>
void scan_floats(const Scan& scan) {
    in_passes<FloatScan<Element, Sum, take>>(scan, scan.queries, scan.n_queries);
}

constexpr ScanKernel dot_f32 = scan_floats<F32, Dot>, dot_f16 = scan_floats<F16, Dot>;
constexpr ScanKernel l2_f32 = scan_floats<F32, NegatedL2>, l2_f16 = scan_floats<F16, NegatedL2>;
constexpr ScanKernel max_dot_f32 = scan_floats<F32, Dot, raise_floats>,
                     max_dot_f16 = scan_floats<F16, Dot, raise_floats>;

}  // namespace
}  // namespace fewbits::kernels
