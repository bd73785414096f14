// Chamfer similarity (MaxSim) of a query and a document, both sets of vectors: the sum over query tokens of the largest
// inner product with a document token. All query tokens pass over a document's codes together.
#pragma once

#include <cstdint>
#include <vector>

#include "codec/codec.h"
#include "multivector/sets.h"

namespace fewbits {

// A query, prepared once for all documents.
class ChamferQuery {
public:
    using Scratch = std::vector<kernels::ScanQuery>;  // one thread's, of no content between calls

    // The codec has a max_kernel(), and outlives this object.
    ChamferQuery(const Codec& codec, MatrixView tokens);
    ChamferQuery(const ChamferQuery&) = delete;
    ChamferQuery& operator=(const ChamferQuery&) = delete;

    // codes: a document's n > 0 tokens in blocks, with their factors a (or null). Sums ascend by query token.
    float score(const std::uint8_t* codes, const float* a, std::uint32_t n, Scratch& scratch) const;

private:
    const Codec& codec_;
    std::vector<std::uint8_t> tables_;
    std::vector<kernels::ScanQuery> tokens_;
};

// out: queries x documents, over the floats themselves.
void chamfer(const SetsView& queries, const SetsView& documents, float* out, unsigned threads);

}  // namespace fewbits
