// The table scans: scan4 and scan8.
#pragma once

#include "kernels/neon/scan4.h"
#include "kernels/neon/scan8.h"
