// Hits as what users get: public ids, and scores in their own sense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/metric.h"
#include "blocks/hit.h"

namespace fewbits {

// What the sum of dim products of two vectors of length 1 may be off by.
float cosine_rounding(std::size_t dim);

// The k best hits of one query as public ids and scores, padded; shared with exact search. Cosines are in -1..1, and 1
// where rounding alone may have kept them from it: of equal vectors.
void write_results(std::span<const Hit> hits, std::size_t k, Metric metric, std::size_t dim, std::int64_t* ids,
                   float* scores, const std::function<std::int64_t(std::uint32_t row)>& id);

}  // namespace fewbits
