// Kernels that AVX2's table lends: measured on Zen 4, they are faster there by 9 % or more (cpp/kernels/README.md).
// (max_products is lent unmeasured: it has no AVX-512 form.)
// Most of them spend their time on shuffles, gathers or conversions, which 512-bit registers do not make faster.
#pragma once

#include "kernels/avx512/intrinsics.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr ScanKernel dot_f16 = nullptr, max_dot_f16 = nullptr;
constexpr RowsKernel rows_l2_f16 = nullptr;
#if !defined(FEWBITS_VNNI)
constexpr RowsKernel rows_dot4 = nullptr, rows_dot8 = nullptr;
#endif
#if !defined(FEWBITS_VBMI)
constexpr decltype(Kernels::rows_planes) rows_planes = nullptr;
#endif
constexpr decltype(Kernels::extract4) extract4 = nullptr;
constexpr decltype(Kernels::max_products) max_products = nullptr;
constexpr decltype(Kernels::hadamard) hadamard = nullptr;
constexpr decltype(Kernels::signed_hadamard) signed_hadamard = nullptr;

}  // namespace
}  // namespace fewbits::kernels
