// Regressed vectors for sets (LEMUR, arXiv 2601.21853): the similarity of a token with a document is a function of the
// token, which least squares on a sample of tokens makes linear in features of it. A document's vector is the weights
// of its function, a query's the sum of its tokens' features, both after a linear map to few dimensions.
//
// A document's weights are linear in the function's values at the sample: one matrix, made by training, does it all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/parts.h"
#include "multivector/features.h"
#include "multivector/sets.h"
#include "multivector/token_maxima.h"

namespace fewbits {

class Lemur {
public:
    // Params "dim" (of tokens), "dims" (of vectors), "features" (0: the tokens themselves) and "sample"; arrays
    // "levels" and "steps" (the sample, as round_rows returns it), "weights" and "bias" (of features), "documents"
    // (dims x sample), "offset" (dims: what is subtracted), "queries" (dims + 1 x features: the last row is of the
    // part of a similarity that all documents share). Throws corrupt for any others.
    explicit Lemur(Parts parts);

    const Parts& parts() const noexcept { return parts_; }

    std::size_t dim() const noexcept { return dim_; }
    std::size_t dims() const noexcept { return dims_; }

    // out: sets x dims(). The same bits for any number of threads and any other sets beside a set. shared: of each
    // query, what is to be added to its products with documents to estimate their Chamfer similarities.
    void encode_queries(const SetsView& queries, float* out, float* shared, unsigned threads) const;
    void encode_documents(const SetsView& documents, float* out, unsigned threads) const;

private:
    Parts parts_;  // as given
    std::size_t dim_, dims_;
    TokenFeatures features_;
    TokenMaxima maxima_;
    std::vector<float> documents_, negated_offset_, queries_;  // matrices in blocks
};

// out: sets x points.
void find_maxima(const TokenMaxima& points, const SetsView& sets, float* out, unsigned threads);

}  // namespace fewbits
