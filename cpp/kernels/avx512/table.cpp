// AVX-512 F, BW, DQ, VL, CD and, depending on flags (cpp/isa.cmake), VNNI and VBMI: primitives.h hides the differences.
#include "kernels/avx512/borrowed.h"
#include "kernels/avx512/elementwise.h"
#include "kernels/avx512/float_rows.h"
#include "kernels/avx512/float_scan.h"
#include "kernels/avx512/packed_dot.h"
#include "kernels/avx512/table_scan.h"
#include "kernels/avx512/tiles.h"
#include "kernels/table_from_list.h"
