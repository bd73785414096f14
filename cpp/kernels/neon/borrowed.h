// The kernels that dot products do not change: the table with them lends the baseline's.
#pragma once

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr ScanKernel scan4 = nullptr, scan8 = nullptr;
constexpr ScanKernel dot_f32 = nullptr, dot_f16 = nullptr, l2_f32 = nullptr, l2_f16 = nullptr;
constexpr ScanKernel max_dot_f32 = nullptr, max_dot_f16 = nullptr;
constexpr RowsKernel rows_dot_f32 = nullptr, rows_dot_f16 = nullptr, rows_l2_f32 = nullptr, rows_l2_f16 = nullptr;
constexpr decltype(Kernels::extract4) extract4 = nullptr;
constexpr decltype(Kernels::tile_dot) tile_dot = nullptr;
constexpr decltype(Kernels::tile_best) tile_best = nullptr;
constexpr decltype(Kernels::add_to_buckets) add_to_buckets = nullptr;
constexpr decltype(Kernels::hadamard) hadamard = nullptr;
constexpr decltype(Kernels::signed_hadamard) signed_hadamard = nullptr;
constexpr decltype(Kernels::f32_to_f16) f32_to_f16 = nullptr;
constexpr decltype(Kernels::f16_to_f32) f16_to_f32 = nullptr;
constexpr decltype(Kernels::encode_uniform) encode_uniform = nullptr;
constexpr decltype(Kernels::encode_levels) encode_levels = nullptr;

}  // namespace
}  // namespace fewbits::kernels
