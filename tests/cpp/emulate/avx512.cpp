// cpp/kernels/avx512.cpp, the same source, emulated.
#define FEWBITS_EMULATE
#define avx512_kernels emulated_avx512_kernels
#include "kernels/avx512.cpp"
