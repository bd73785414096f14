// Exact search over floats, for ground truth. Streams x in blocks, so memory does not depend on n.
#pragma once

#include <cstdint>

#include "base/matrix.h"
#include "base/metric.h"

namespace fewbits {

// ids (first_id + row) and public scores, queries.rows x k, padded as search pads.
void exact_search(MatrixView x, MatrixView queries, std::size_t k, Metric metric, std::int64_t first_id,
                  unsigned threads, std::int64_t* ids, float* scores);

}  // namespace fewbits
