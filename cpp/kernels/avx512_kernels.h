// The table of an AVX-512 level: the same for all three, as the primitives hide what differs.
#pragma once

#include "kernels/avx512_dot.h"
#include "kernels/avx512_elementwise.h"
#include "kernels/avx512_float.h"
#include "kernels/avx512_rows.h"
#include "kernels/avx512_table_scan.h"

namespace fewbits::kernels {
namespace {

constexpr Kernels avx512_level(const char* isa) {
    return {
        .isa = isa,
        .scan4 = scan4,
        .scan8 = scan8,
        .dot4 = packed_dot<Expand4>,
        .dot8 = packed_dot<Expand8>,
        .dot_bits = {nullptr, packed_dot<ExpandBits<1>>, packed_dot<ExpandBits<2>>, packed_dot<ExpandBits<3>>,
                     packed_dot<ExpandBits<4>>, packed_dot<ExpandBits<5>>, packed_dot<ExpandBits<6>>,
                     packed_dot<ExpandBits<7>>},
        .dot_f32 = scan_floats<F32, Dot>,
        .dot_f16 = scan_floats<F16, Dot>,
        .l2_f32 = scan_floats<F32, NegatedL2>,
        .l2_f16 = scan_floats<F16, NegatedL2>,
        .max_dot4 = max_dot<Expand4>,
        .max_dot8 = max_dot<Expand8>,
        .max_dot_f32 = scan_floats<F32, Dot, raise_floats>,
        .max_dot_f16 = scan_floats<F16, Dot, raise_floats>,
        .rows_dot_f32 = sum_rows<F32, Dot>,
        .rows_dot_f16 = sum_rows<F16, Dot>,
        .rows_l2_f32 = sum_rows<F32, L2>,
        .rows_l2_f16 = sum_rows<F16, L2>,
        .rows_dot4 = rows_dot4,
        .rows_dot8 = rows_dot8,
        .rows_planes = rows_planes,
        .tile_dot = tile_dot,
        .tile_best = tile_best,
        .add_to_buckets = add_to_buckets,
        .hadamard = hadamard,
        .signed_hadamard = signed_hadamard,
        .f32_to_f16 = f32_to_f16,
        .f16_to_f32 = f16_to_f32,
        .encode_uniform = encode_uniform,
        .encode_levels = encode_levels,
        .extract4 = extract4,
    };
}

}  // namespace
}  // namespace fewbits::kernels
