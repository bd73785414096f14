// Kernels that AVX2's table lends on every CPU: 512 bits were measured to gain nothing (cpp/kernels/README.md), as most
// of these spend their time on shuffles and gathers. max_products has no AVX-512 form.
#pragma once

#include "kernels/avx512/intrinsics.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

#if !defined(FEWBITS_VNNI)
constexpr RowsKernel rows_dot4 = nullptr, rows_dot8 = nullptr;
#endif
#if !defined(FEWBITS_VBMI)
constexpr ScanKernel scan8 = nullptr;
constexpr decltype(Kernels::rows_planes) rows_planes = nullptr;
#endif
constexpr decltype(Kernels::extract4) extract4 = nullptr;
constexpr decltype(Kernels::max_products) max_products = nullptr;
constexpr decltype(Kernels::hadamard) hadamard = nullptr;
constexpr decltype(Kernels::signed_hadamard) signed_hadamard = nullptr;

}  // namespace
}  // namespace fewbits::kernels
