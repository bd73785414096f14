// cpp/kernels/avx512vbmi.cpp, the same source, emulated.
#define FEWBITS_EMULATE
#define FEWBITS_VNNI
#define FEWBITS_VBMI
#define avx512vbmi_kernels emulated_avx512vbmi_kernels
#include "kernels/avx512vbmi.cpp"
