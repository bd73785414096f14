// The table scans: scan4 and scan8.
#pragma once

#include "kernels/avx2/scan4.h"
#include "kernels/avx2/scan8.h"
