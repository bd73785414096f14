// Scores of given vectors, as a search reports them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/matrix.h"
#include "index/snapshot.h"

namespace fewbits {

using IdTable = Matrix<const std::int64_t>;

// scores: queries.rows x ids.cols, as users see them, by the rerank store if there is one. ids: a row for all queries,
// or one per query; -1 pads, and has the worst score. An unknown id is an error that names it.
void score(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, IdTable ids, unsigned threads,
           float* scores);

}  // namespace fewbits
