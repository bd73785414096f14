// Search of an index whose vectors stand for sets of tokens: candidates are found by the vectors and ranked by the
// tokens. A call uses one snapshot throughout.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "index/score.h"
#include "index/search_call.h"
#include "multivector/sets.h"

namespace fewbits {

struct SetSearchParams {
    std::size_t k = 10;
    std::uint32_t nprobe = 1;
    std::size_t candidates = 100;        // to rank by their tokens; 0: none, and scores are estimates from the vectors
    float scale = 1;                     // inner products of vectors estimate Chamfer similarity times this,
    std::span<const float> shared = {};  // less one number per query (none: 0)
    float min_score = -std::numeric_limits<float>::infinity();  // lowest score of a result
    float margin = std::numeric_limits<float>::infinity();      // of stopping.h; infinity: all candidates are ranked
    std::uint32_t patience = 0;                                 // of the search for candidates
    unsigned threads = 0;
};

// vectors: one per query. tokens: one set per query, by which candidates are ranked. ids, scores: queries x k, best
// first, ties by id, padded with -1 and -inf; scores are Chamfer similarities with the stored tokens.
void search_sets(const std::shared_ptr<const Snapshot>& snapshot, MatrixView vectors, const SetsView& tokens,
                 const SetSearchParams& params, const QueryFilters& filters, std::int64_t* ids, float* scores);

// The same with all documents as candidates.
void rank_all(const Snapshot& snapshot, const SetsView& tokens, std::size_t k, unsigned threads, std::int64_t* ids,
              float* scores);

// scores: queries x ids.cols, of documents by id. ids: a row for all queries, or one per query; -1 pads, and has the
// worst score. Throws if another id is unknown.
void score_sets(const Snapshot& snapshot, const SetsView& queries, IdTable ids, unsigned threads, float* scores);

}  // namespace fewbits
