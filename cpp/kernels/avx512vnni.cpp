// AVX-512 with VNNI (Cascade Lake): the shared AVX-512 kernels under this file's flags (cpp/isa.cmake). Exports its
// table and nothing else.
#include "kernels/avx512_kernels.h"

namespace fewbits::kernels {
namespace {

constexpr Kernels table = avx512_level("avx512vnni");

}  // namespace

extern const Kernels* const avx512vnni_kernels;
constinit const Kernels* const avx512vnni_kernels = &table;

}  // namespace fewbits::kernels
