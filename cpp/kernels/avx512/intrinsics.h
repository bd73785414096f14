// Includes the intrinsics for the AVX-512 files and defines which extensions they may use. The one hook for tests: with
// FEWBITS_EMULATE the same sources run on a CPU that lacks AVX-512 (tests/cpp/emulate).
#pragma once

#if defined(FEWBITS_EMULATE)
#include "emulate/avx512.h"
#else
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns about its own "undefined" operands
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#if defined(__AVX512VNNI__)
#define FEWBITS_VNNI
#endif
#if defined(__AVX512VBMI__)
#define FEWBITS_VBMI
#endif
#endif

// Kernels keep their accumulators in registers only if every step is inlined into the pass; emulation has no registers.
#if defined(FEWBITS_EMULATE)
#define FEWBITS_INLINE inline
#else
#define FEWBITS_INLINE [[gnu::always_inline]] inline
#endif
