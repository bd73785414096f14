// Scores of given vectors, as a search reports them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/matrix.h"
#include "index/snapshot.h"

namespace fewbits {

using IdTable = Matrix<const std::int64_t>;

// scores: queries.rows x ids.cols, in the sense of the metric, from the rerank store if there is one, and then
// queries are of the embedding that it codes. ids: one row for
// all queries, or one per query; -1 is padding and gets the worst score. Fails for an unknown id, and names it.
void score(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, IdTable ids, unsigned threads,
           float* scores);

}  // namespace fewbits
