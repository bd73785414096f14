// The second pass of a search: the rerank codec scores the candidates.
#pragma once

#include <cstddef>
#include <span>

#include "base/matrix.h"
#include "blocks/top_k.h"
#include "index/snapshot.h"

namespace fewbits {

// Rescores the hits of each query and keeps the k best with at least min_score. queries: entered
// (Model::rerank_input), not transformed.
void rerank(const Snapshot& snapshot, MatrixView queries, std::size_t k, float min_score, std::span<TopHits> hits);

}  // namespace fewbits
