// Search of an index whose vectors stand for sets of tokens: candidates are found by the vectors and ranked by the
// tokens. A call uses one snapshot throughout.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "index/search_call.h"
#include "multivector/sets.h"

namespace fewbits {

struct SetSearchParams {
    std::size_t k = 10;
    std::uint32_t nprobe = 1;
    std::size_t candidates = 100;  // to rank by their tokens; 0: none, and scores are estimates from the vectors
    float scale = 1;               // inner products of vectors estimate Chamfer similarity times this
    float min_score = -std::numeric_limits<float>::infinity();  // lowest score of a result
    unsigned threads = 0;
};

// vectors: one per query. tokens: one set per query, by which candidates are ranked. ids, scores: queries x k, best
// first, ties by id, padded with -1 and -inf; scores are Chamfer similarities with the stored tokens.
void search_sets(const std::shared_ptr<const Snapshot>& snapshot, MatrixView vectors, const SetsView& tokens,
                 const SetSearchParams& params, const QueryFilters& filters, std::int64_t* ids, float* scores);

// The same with all documents as candidates.
void rank_all(const Snapshot& snapshot, const SetsView& tokens, std::size_t k, unsigned threads, std::int64_t* ids,
              float* scores);

}  // namespace fewbits
