// AVX2 with FMA, F16C, POPCNT and BMI2.
#include "kernels/avx2/elementwise.h"
#include "kernels/avx2/float_rows.h"
#include "kernels/avx2/float_scan.h"
#include "kernels/avx2/integer_rows.h"
#include "kernels/avx2/packed_dot.h"
#include "kernels/avx2/table_scan.h"
#include "kernels/avx2/tiles.h"
#include "kernels/table_from_list.h"
