// The search pipeline over one snapshot: transform, probe, scan, rerank. Batches are list-major (a list is read once
// for all queries that probe it). Single queries take the same path, so their results are bitwise the same.
#pragma once

#include <cstdint>
#include <limits>

#include "base/matrix.h"
#include "index/probe.h"
#include "index/row_filter.h"
#include "index/snapshot.h"

namespace fewbits {

struct SearchParams {
    std::size_t k = 10;
    std::uint32_t nprobe = 1;  // lists; larger numbers mean all
    std::size_t rerank = 0;    // candidates; 0: none
    unsigned threads = 0;
    float min_score = -std::numeric_limits<float>::infinity();  // as a similarity
    const RowFilter* filter = nullptr;                          // of this snapshot; null: all rows alive
    bool as_rows = false;                                       // results are rows of the snapshot, not ids
    const Probes* probes = nullptr;  // of all queries: reads these lists, whatever nprobe is; null: chooses them
    float* keys = nullptr;           // queries x k, or null: the score that each result was selected by; -inf pads
    std::uint32_t patience = 0;      // lists without a new one of the k best until a query stops; 0: never
    MatrixView rerank_queries = {};  // of the other embedding that is reranked, one per query; empty if it is the same
    std::uint64_t* entries_read = nullptr;  // per query: set to the number of codes that were scanned for it
};

// ids, scores: queries.rows x k, best first, padded with id -1 and the worst score. Scores are squared distances (l2)
// or similarities. Results of equal scores are ordered by id. The result is that of its parts: for any division of the
// rows among indexes of one model, the k best of their results by (key, id), ordered by (score, id), are those of one
// index, if they read the same lists and nothing is reranked.
void search(const Snapshot& snapshot, MatrixView queries, const SearchParams& params, std::int64_t* ids, float* scores);

}  // namespace fewbits
