// The search pipeline over one consistent set of segments: transform, probe, scan, rerank. Batches are list-major (a
// list is read once for all its queries); one query alone goes the same way, so its results are the same bits.
#pragma once

#include <cstdint>
#include <limits>

#include "base/matrix.h"
#include "index/row_filter.h"
#include "index/snapshot.h"

namespace fewbits {

struct SearchParams {
    std::size_t k = 10;
    std::uint32_t nprobe = 1;  // lists; more than there are means all
    std::size_t rerank = 0;    // candidates; 0 means none
    unsigned threads = 0;
    float min_score = -std::numeric_limits<float>::infinity();  // similarity of a result
    const RowFilter* filter = nullptr;                          // of this snapshot, or all rows alive
    bool as_rows = false;                                       // results are rows of the snapshot, not ids
};

// ids, scores: queries.rows x k, best first, padded with id -1 and the worst score. Scores as users see them: squared
// distances (l2) or similarities.
void search(const Snapshot& snapshot, MatrixView queries, const SearchParams& params, std::int64_t* ids, float* scores);

}  // namespace fewbits
