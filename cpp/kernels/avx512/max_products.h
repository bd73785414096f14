// The largest 16-bit product of each point with the tokens of a set: as on AVX2, whose registers suffice.
#pragma once

#include "kernels/avx512/intrinsics.h"

// After the line above, which quiets what a compiler says of its own headers.
#include "kernels/avx2/max_products.h"
