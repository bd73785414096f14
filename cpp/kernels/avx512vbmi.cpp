// AVX-512 with VNNI and VBMI (Ice Lake, Zen 4): the shared AVX-512 kernels under this file's flags (cpp/isa.cmake).
// Exports its table and nothing else.
#include "kernels/avx512_kernels.h"

namespace fewbits::kernels {
namespace {

constexpr Kernels table = avx512_level("avx512vbmi");

}  // namespace

extern const Kernels* const avx512vbmi_kernels;
constinit const Kernels* const avx512vbmi_kernels = &table;

}  // namespace fewbits::kernels
