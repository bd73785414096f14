// Converts hits to results: public ids, and scores in the sense of the metric.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/metric.h"
#include "blocks/top_k.h"

namespace fewbits {

// The rounding error of the inner product of two unit vectors of `dim` dimensions.
float cosine_rounding(std::size_t dim);

// The k best hits of one query as public ids and scores, padded; shared with exact search. Cosines are
// clamped to -1..1, and rounded to 1 if they differ from 1 by at most the rounding error, as for equal vectors. The
// order is that of the scores as reported: what was rounded to equal scores is ordered as hits of equal scores are.
// id: called once per result, in their order.
void write_results(TopHits& top, std::size_t k, Metric metric, std::size_t dim, std::int64_t* ids, float* scores,
                   const std::function<std::int64_t(std::uint32_t row)>& id);

}  // namespace fewbits
