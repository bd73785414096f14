// Search of an index whose vectors stand for sets of tokens: what is near by the vectors is ranked by the tokens. All
// of a call sees one snapshot.
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
    std::size_t candidates = 100;  // ranked by their tokens; 0: none, and scores are estimates by the vectors
    float scale = 1;               // products of vectors are estimates of Chamfer similarity times this
    float min_score = -std::numeric_limits<float>::infinity();  // score of a result
    unsigned threads = 0;
};

// vectors: one per query. tokens: what candidates are ranked by, a set per query. ids, scores: queries x k, best first,
// ties by id, padded with -1 and -inf; scores are Chamfer similarities with the tokens as stored.
void search_sets(const std::shared_ptr<const Snapshot>& snapshot, MatrixView vectors, const SetsView& tokens,
                 const SetSearchParams& params, const QueryFilters& filters, std::int64_t* ids, float* scores);

// The same, with every document a candidate.
void rank_all(const Snapshot& snapshot, const SetsView& tokens, std::size_t k, unsigned threads, std::int64_t* ids,
              float* scores);

}  // namespace fewbits
