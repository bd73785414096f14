// The AVX-512 kernels from the same source, emulated.
#define FEWBITS_EMULATE
#define FEWBITS_ISA_NAME emulated_avx512
#include "kernels/avx512/table.cpp"
