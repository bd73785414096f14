// The specification as a table, built without vectorisation, so that a comparison with it means something.
#include "kernels/scalar/elementwise.h"
#include "kernels/scalar/float_rows.h"
#include "kernels/scalar/float_scan.h"
#include "kernels/scalar/integer_rows.h"
#include "kernels/scalar/packed_dot.h"
#include "kernels/scalar/table_scan.h"
#include "kernels/scalar/tiles.h"
#include "kernels/table_from_list.h"
