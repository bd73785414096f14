// Chamfer similarity (MaxSim) of a query and a document, both sets of vectors: the sum over query tokens of the largest
// inner product with a document token. A document's codes are scanned for all query tokens together.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/code_set.h"
#include "multivector/sets.h"

namespace fewbits {

// A query, prepared once for all documents.
class ChamferQuery {
public:
    // Buffers of one thread, without content between calls.
    struct Scratch {
        std::vector<kernels::ScanQuery> tokens;
        std::vector<kernels::Hit> hits;
    };

    // The codec must outlive this object.
    ChamferQuery(const Codec& codec, MatrixView tokens);
    ChamferQuery(const ChamferQuery&) = delete;
    ChamferQuery& operator=(const ChamferQuery&) = delete;

    // The document must not be empty. Maxima are summed in the order of query tokens.
    float score(const CodeSet& document, Scratch& scratch) const;

private:
    void find_maxima(const CodeSet& document, Scratch& scratch) const;

    const Codec& codec_;
    std::vector<std::uint8_t> tables_;
    std::vector<std::uint8_t> row_queries_;  // for staged codecs
    std::vector<kernels::ScanQuery> tokens_;
};

// Similarities of float tokens, without codes; out: queries x documents.
void chamfer(const SetsView& queries, const SetsView& documents, float* out, unsigned threads);

}  // namespace fewbits
