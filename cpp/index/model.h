// A trained, immutable model: what turns vectors into codes and queries into scores. All segments of an index share
// one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metric.h"
#include "base/parts.h"
#include "codec/codec.h"
#include "partition/partition.h"
#include "transform/query_map.h"
#include "transform/transform.h"

namespace fewbits {

struct Model {
    Parts parts;  // what it was made from, which is how it is stored (docs/format.md)
    std::uint32_t dim;
    Metric metric;
    bool residual;              // codes are of x - centroid
    bool projected;             // and factors b count by a query's projection on the centroid (ip)
    bool relative;              // and queries are prepared for each list, as q - centroid (l2)
    std::vector<float> center;  // l2: subtracted from vectors and queries before all else; or empty
    bool rerank_on_disk;
    std::shared_ptr<const QueryMap> query_map;  // or null
    std::shared_ptr<const Transform> transform;
    std::shared_ptr<const Partition> partition;
    std::shared_ptr<const Codec> codec;   // in transformed space
    std::shared_ptr<const Codec> rerank;  // in input space, or null
    std::shared_ptr<const Codec> tokens;  // of the sets of tokens that vectors stand for, or null
    bool tokens_on_disk;

    // Rows as the parts see them: normalised, under cosine, and about the center, under l2. out: x or apart from it.
    void enter(MatrixView x, float* out) const;
    // What of factor b a score of codes in this list counts.
    float b_scale(const QueryTerms& terms, const Partition::Probe& probe) const;

    // Whether scores are cosines of float rows and of queries that no trained map has changed. reranks: of a search.
    bool scores_cosines(bool reranks) const;

    // The only constructor: parts come from training or from a file, and are validated all the same.
    static std::shared_ptr<const Model> make(Parts parts);

    // The same model with another scoring codebook ("codec.scoring") and query map ("query.*"), or without where they
    // are not given: what decides scores and not codes, so that codes keep their meaning. Cheap: all else is shared.
    std::shared_ptr<const Model> with_scoring(const Parts& trained) const;

    // The same model for another input of `dim` dimensions, whose encoder ("codec.*") gives codes of the same layout
    // and meaning: of recurrent binary codes alone, or in lists, whose centroids ("partition.centroids") come with it.
    std::shared_ptr<const Model> with_encoder(const Parts& encoder) const;
};

// The codec "codec" or "rerank" of a model, without the rest of it: "codec" sees transformed vectors, and residuals if
// the lists have them; "rerank" sees vectors as they come in.
std::shared_ptr<const Codec> make_model_codec(const Parts& parts, const std::string& prefix);

// Rows divided by their norms (a zero row stays zero); cosine is ip of these.
void normalize_rows(MatrixView x, float* out);

}  // namespace fewbits
