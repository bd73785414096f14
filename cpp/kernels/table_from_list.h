// The table of one instruction set, generated from kernel_list.h. This is the last include of the set's table.cpp,
// after definitions of every kernel by its name in the list, and of dot_of_bits<bits>. FEWBITS_ISA_NAME is the set
// (cpp/isa.cmake). The table is constant-initialised, and its pointer is the only export of the object
// (check_hygiene.sh).
#pragma once

#include "kernels/kernels.h"

#define FEWBITS_STRING_OF(name) #name
#define FEWBITS_STRING(name) FEWBITS_STRING_OF(name)
#define FEWBITS_KERNELS_OF(name) name##_kernels
#define FEWBITS_KERNELS(name) FEWBITS_KERNELS_OF(name)

namespace fewbits::kernels {
namespace {

constexpr ScanKernel dot_bits[8] = {nullptr,        dot_of_bits<1>, dot_of_bits<2>, dot_of_bits<3>,
                                    dot_of_bits<4>, dot_of_bits<5>, dot_of_bits<6>, dot_of_bits<7>};

constexpr Kernels table = {
    .isa = FEWBITS_STRING(FEWBITS_ISA_NAME),
#define FEWBITS_KERNEL(name, ...) .name = name,
#include "kernels/kernel_list.h"
};

}  // namespace

extern const Kernels* const FEWBITS_KERNELS(FEWBITS_ISA_NAME);
constinit const Kernels* const FEWBITS_KERNELS(FEWBITS_ISA_NAME) = &table;

}  // namespace fewbits::kernels
