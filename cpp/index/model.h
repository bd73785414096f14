// A trained, immutable model, which turns vectors into codes and queries into scores. All segments of an index share
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metric.h"
#include "base/parts.h"
#include "codec/codec.h"
#include "index/input_space.h"
#include "partition/partition.h"
#include "transform/query_map.h"
#include "transform/transform.h"

namespace fewbits {

struct Model {
    Parts parts;  // what it was made from, also its stored form (docs/format.md)
    std::uint32_t dim;
    Metric metric;
    bool residual;    // codes are of x - centroid
    bool projected;   // and factors b are scaled by the query's projection on the centroid (ip)
    bool relative;    // and queries are prepared per list, as q - centroid (l2)
    bool two_inputs;  // `rerank` codes another embedding of the same objects, which `query_map` does not map
    InputSpace input, rerank_input;  // the same, unless there are two
    bool rerank_on_disk;
    std::shared_ptr<const QueryMap> query_map;  // or null
    std::shared_ptr<const Transform> transform;
    std::shared_ptr<const Partition> partition;
    std::shared_ptr<const Codec> codec;   // in transformed space
    std::shared_ptr<const Codec> rerank;  // in rerank_input, or null
    std::shared_ptr<const Codec> tokens;  // of the token sets that vectors encode, or null
    bool tokens_on_disk;

    // The weight of factor b in scores of codes in this list.
    float b_scale(const QueryTerms& terms, const Partition::Probe& probe) const;

    // Whether scores are cosines of float rows and unmapped queries. reranks: whether the search reranks.
    bool scores_cosines(bool reranks) const;
    // Dimensions of the vectors that scores are products of.
    std::uint32_t scored_dim(bool reranks) const { return rerank && reranks ? rerank_input.dim : dim; }

    // The only constructor. Parts are validated, whether they come from training or from a file.
    static std::shared_ptr<const Model> make(Parts parts);

    // The same model with another scoring codebook ("codec.scoring") and query map ("query.*"), or without those not
    // given. They affect only scores, so stored codes stay valid. Cheap: everything else is shared.
    std::shared_ptr<const Model> with_scoring(const Parts& trained) const;

    // The same model for other inputs of `dim` dimensions, whose encoder ("codec.*") gives codes of the same layout and
    // meaning. Only for recurrent binary codes; if they are in lists, with new centroids ("partition.centroids").
    std::shared_ptr<const Model> with_encoder(const Parts& encoder) const;
};

// The codec "codec" or "rerank" of a model, without the rest of the model. "codec" codes transformed vectors, or their
// residuals; "rerank" codes input vectors, or those of another embedding.
std::shared_ptr<const Codec> make_model_codec(const Parts& parts, const std::string& prefix);

}  // namespace fewbits
