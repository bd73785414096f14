// The tables of the emulated AVX-512 sets, additional instruction sets of the tests where the CPU lacks AVX-512 (CMake
// option FEWBITS_EMULATE_AVX512).
#pragma once

#include "kernels/kernels.h"

namespace fewbits::kernels {

extern const Kernels* const emulated_avx512_kernels;
extern const Kernels* const emulated_avx512vnni_kernels;
extern const Kernels* const emulated_avx512vbmi_kernels;

}  // namespace fewbits::kernels
