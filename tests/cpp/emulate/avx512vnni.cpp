// cpp/kernels/avx512vnni.cpp, the same source, emulated.
#define FEWBITS_EMULATE
#define FEWBITS_VNNI
#define avx512vnni_kernels emulated_avx512vnni_kernels
#include "kernels/avx512vnni.cpp"
