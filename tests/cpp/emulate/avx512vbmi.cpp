// The AVX-512 kernels with VNNI and VBMI from the same source, emulated.
#define FEWBITS_EMULATE
#define FEWBITS_VNNI
#define FEWBITS_VBMI
#define FEWBITS_ISA_NAME emulated_avx512vbmi
#include "kernels/avx512/table.cpp"
