// Chamfer similarity (MaxSim) of a query and a document, both sets of vectors: the sum over query tokens of the largest
// inner product with a document token. All query tokens pass over a document's codes together.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/code_set.h"
#include "multivector/sets.h"

namespace fewbits {

// A query, prepared once for all documents.
class ChamferQuery {
public:
    // One thread's, of no content between calls.
    struct Scratch {
        std::vector<kernels::ScanQuery> tokens;
        std::vector<kernels::Hit> hits;
    };

    // The codec outlives this object.
    ChamferQuery(const Codec& codec, MatrixView tokens);
    ChamferQuery(const ChamferQuery&) = delete;
    ChamferQuery& operator=(const ChamferQuery&) = delete;

    // Of a document that is not empty. Sums ascend by query token.
    float score(const CodeSet& document, Scratch& scratch) const;

private:
    void find_maxima(const CodeSet& document, Scratch& scratch) const;

    const Codec& codec_;
    std::vector<std::uint8_t> tables_;
    std::vector<std::uint8_t> row_queries_;  // of staged codecs
    std::vector<kernels::ScanQuery> tokens_;
};

// out: queries x documents, over the floats themselves.
void chamfer(const SetsView& queries, const SetsView& documents, float* out, unsigned threads);

}  // namespace fewbits
