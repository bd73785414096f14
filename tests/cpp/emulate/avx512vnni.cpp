// The AVX-512 kernels with VNNI from the same source, emulated.
#define FEWBITS_EMULATE
#define FEWBITS_VNNI
#define FEWBITS_ISA_NAME emulated_avx512vnni
#include "kernels/avx512/table.cpp"
