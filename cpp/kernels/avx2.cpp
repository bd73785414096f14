// The table for AVX2 with FMA, F16C, POPCNT and BMI2. Constant-initialised: the pointer is all that this file exports.
#include "kernels/avx2_elementwise.h"
#include "kernels/avx2_float.h"
#include "kernels/avx2_integer.h"

namespace fewbits::kernels {
namespace {

constexpr Kernels table = {
    .isa = "avx2",
    .scan4 = scan4,
    .scan8 = scan8,
    .dot4 = dot4,
    .dot8 = dot8,
    .dot_bits = {nullptr, dot_bits<1>, dot_bits<2>, dot_bits<3>, dot_bits<4>, dot_bits<5>, dot_bits<6>, dot_bits<7>},
    .dot_f32 = dot_f32,
    .dot_f16 = dot_f16,
    .l2_f32 = l2_f32,
    .l2_f16 = l2_f16,
    .max_dot4 = max_dot4,
    .max_dot8 = max_dot8,
    .max_dot_f32 = max_dot_f32,
    .max_dot_f16 = max_dot_f16,
    .rows_dot_f32 = rows_dot_f32,
    .rows_dot_f16 = rows_dot_f16,
    .rows_l2_f32 = rows_l2_f32,
    .rows_l2_f16 = rows_l2_f16,
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

}  // namespace

extern const Kernels* const avx2_kernels;
constinit const Kernels* const avx2_kernels = &table;

}  // namespace fewbits::kernels
