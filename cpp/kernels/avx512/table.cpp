// AVX-512 F, BW, DQ, VL, CD, and by its flags (cpp/isa.cmake) VNNI and VBMI: the primitives hide what differs.
#include "kernels/avx512/elementwise.h"
#include "kernels/avx512/float_rows.h"
#include "kernels/avx512/float_scan.h"
#include "kernels/avx512/integer_rows.h"
#include "kernels/avx512/packed_dot.h"
#include "kernels/avx512/table_scan.h"
#include "kernels/avx512/tiles.h"
#include "kernels/table_from_list.h"
