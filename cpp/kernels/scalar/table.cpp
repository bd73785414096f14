// The table of the specification, built without vectorisation so that benchmarks have a meaningful baseline.
#include "kernels/scalar/elementwise.h"
#include "kernels/scalar/float_rows.h"
#include "kernels/scalar/float_scan.h"
#include "kernels/scalar/integer_rows.h"
#include "kernels/scalar/packed_dot.h"
#include "kernels/scalar/table_scan.h"
#include "kernels/scalar/tiles.h"
#include "kernels/table_from_list.h"
