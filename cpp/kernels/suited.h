// Kernels that a CPU runs better with the next narrower set, though others do not.
#pragma once

#include "kernels/cpu.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {

// The table with null entries for them, which `filled` borrows.
Kernels suited(Kernels table, const Cpu& cpu);

}  // namespace fewbits::kernels
