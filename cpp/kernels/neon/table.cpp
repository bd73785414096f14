// NEON, which every 64-bit ARM processor has, and (FEWBITS_DOTPROD, cpp/isa.cmake) the dot product instructions.
#if defined(FEWBITS_DOTPROD)
#include "kernels/neon/borrowed.h"
#else
#include "kernels/neon/elementwise.h"
#include "kernels/neon/extract4.h"
#include "kernels/neon/float_rows.h"
#include "kernels/neon/float_scan.h"
#include "kernels/neon/table_scan.h"
#include "kernels/neon/tiles.h"
#endif
#include "kernels/neon/integer_rows.h"
#include "kernels/neon/max_products.h"
#include "kernels/neon/packed_dot.h"
#include "kernels/table_from_list.h"
