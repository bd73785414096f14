// The second pass of a search: candidates are scored anew by the rerank codec.
#pragma once

#include <cstddef>
#include <span>

#include "base/matrix.h"
#include "blocks/top_k.h"
#include "index/snapshot.h"

namespace fewbits {

// Replaces the hits of each query by their k best of at least min_score. queries: as the parts see them, in input
// space.
void rerank(const Snapshot& snapshot, MatrixView queries, std::size_t k, float min_score, std::span<TopHits> hits);

}  // namespace fewbits
