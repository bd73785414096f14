// The rows of a sparse index that a filter allows.
#pragma once

#include "base/bitmap.h"
#include "index/filter.h"
#include "sparse/snapshot.h"

namespace fewbits::sparse {

Bitmap allowed_rows(const Snapshot& snapshot, const Filter& filter);

}  // namespace fewbits::sparse
