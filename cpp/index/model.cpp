#include "index/model.h"

#include <algorithm>
#include <utility>

#include "base/registry.h"
#include "codec/registry.h"
#include "codec/token_codec.h"

namespace fewbits {
namespace {

constexpr std::uint64_t max_dim = 65535;

bool is_scoring(const std::string& name) {
    return name == "codec.scoring" || name.starts_with("query.");
}

// Whether the model has parts that readers of format 1 would ignore, which would change vectors or scores.
bool needs_format_2(const Parts& parts) {
    return parts.has("center") || parts.has("codec.direction") || parts.has("rerank.direction")
           || parts.param_or("partition.relative", 0) != 0 || parts.param_or("partition.projected", 0) != 0
           || parts.param_or("codec.staged", 0) > 1 || parts.params.contains("tokens.dim")
           || parts.has("partition.spill") || parts.has("codec.digits") || parts.params.contains("rerank.dim");
}

Metric metric_of(const Parts& parts) {
    return static_cast<Metric>(row_of<MetricKind>(metric_kinds, parts, "metric").kind);
}

// The center is that of `center`, an array that only metric l2 has.
InputSpace input_space(const Parts& parts, const std::string& dim, const std::string& center) {
    InputSpace space{static_cast<std::uint32_t>(parts.param(dim, 1, max_dim)), metric_of(parts), {}};
    if (!parts.has(center)) return space;
    if (space.metric != Metric::l2) corrupt("array '" + center + "': expected only under metric l2");
    const auto values = parts.finite(center, space.dim);
    space.center.assign(values.begin(), values.end());
    return space;
}

bool has_two_inputs(const Parts& parts) {
    const bool has = parts.params.contains("rerank.dim");
    if (has && parts.param_or("rerank.kind", 0) == 0) corrupt("param 'rerank.dim': got one without a rerank store");
    if (!has && parts.has("rerank.center")) corrupt("array 'rerank.center': expected only with param 'rerank.dim'");
    return has;
}

template <class Values>
void replace_scoring(Values& values, const Values& trained) {
    std::erase_if(values, [](const auto& item) { return is_scoring(item.first); });
    for (const auto& [name, value] : trained) {
        if (!is_scoring(name)) fail("scoring: got '" + name + "', expected 'codec.scoring' or 'query.*'");
        values[name] = value;
    }
}

}  // namespace

std::shared_ptr<const Model> Model::make(Parts parts) {
    auto model = std::make_shared<Model>();
    model->dim = static_cast<std::uint32_t>(parts.param("dim", 1, max_dim));
    model->metric = metric_of(parts);
    const Metric parts_metric = inner_metric(model->metric);
    model->query_map = make_query_map(parts, model->dim);
    model->transform = make_transform(parts, model->dim);
    model->partition = make_partition(parts, model->transform->out_dim(), parts_metric);
    model->residual = parts.param_or("partition.residual", 0) != 0;
    if (model->residual && model->partition->centroids().rows == 0)
        corrupt("partition.residual: got 1 without centroids, expected 0");
    // Files written before this param existed use no projection under cosine.
    model->projected = model->residual && model->metric != Metric::l2 && !parts.has("codec.direction")
                       && (model->metric == Metric::ip || parts.param_or("partition.projected", 0) != 0);
    model->relative = parts.param_or("partition.relative", 0) != 0;
    if (model->relative && (!model->residual || parts_metric != Metric::l2))
        corrupt("partition.relative: expected 0 unless residuals are coded under metric l2");
    model->input = input_space(parts, "dim", "center");
    model->two_inputs = has_two_inputs(parts);
    model->rerank_input = model->two_inputs ? input_space(parts, "rerank.dim", "rerank.center") : model->input;
    parts.params.erase("format");
    if (needs_format_2(parts)) parts.params["format"] = 2;
    model->codec = make_model_codec(parts, "codec");
    if (parts.param_or("rerank.kind", 0) != 0) model->rerank = make_model_codec(parts, "rerank");
    model->rerank_on_disk = parts.param_or("rerank.on_disk", 0) != 0;
    if (parts.params.contains("tokens.dim")) model->tokens = make_token_codec(parts);
    model->tokens_on_disk = model->tokens && parts.param("tokens.on_disk", 0, 1) != 0;
    model->parts = std::move(parts);
    return model;
}

std::shared_ptr<const Model> Model::with_scoring(const Parts& trained) const {
    auto model = std::make_shared<Model>(*this);
    replace_scoring(model->parts.params, trained.params);
    replace_scoring(model->parts.arrays, trained.arrays);
    if (trained.has("codec.scoring")) {
        if (!codec_kind(parts, "codec").traits.scoring)
            fail("codec.scoring: this index's codec has no codebook, expected a product quantizer");
        if (codec->layout().has_b && metric == Metric::l2)
            fail("codec.scoring: the norms stored with residual codes under metric l2 follow from the codebook");
    }
    model->query_map = make_query_map(model->parts, dim);
    model->codec = make_model_codec(model->parts, "codec");
    return model;
}

std::shared_ptr<const Model> Model::with_encoder(const Parts& encoder) const {
    const CodecKind& kind = codec_kind(parts, "codec");
    if (!kind.traits.encoder || encoder.param("codec.kind") != kind.kind)
        fail("encoder: expected recurrent binary codes, in the index and for the new input");
    if (rerank || query_map || parts.param("transform.kind") != 0)
        fail("encoder: a rerank store, query map or transform is for the old input, expected none");
    if ((partition->centroids().rows > 0) != encoder.has("partition.centroids"))
        fail("encoder: expected centroids for the new input if, and only if, the index has lists");
    Parts changed = parts;
    const auto is_encoder = [](const auto& item) { return item.first.starts_with("codec."); };
    std::erase_if(changed.params, is_encoder);
    std::erase_if(changed.arrays, is_encoder);
    for (const auto& [name, value] : encoder.params) changed.params[name] = value;
    for (const auto& [name, array] : encoder.arrays) changed.arrays[name] = array;
    changed.params["transform.out_dim"] = changed.param("dim");
    auto model = make(std::move(changed));
    if (parts.param("codec.bits") != encoder.param("codec.bits") || parts.param("codec.m") != encoder.param("codec.m"))
        fail("encoder: expected codes of the same size as those in the index");
    return model;
}

bool Model::scores_cosines(bool reranks) const {
    const bool mapped = query_map && !(two_inputs && reranks);
    return metric == Metric::cosine && !mapped
           && codec_kind(parts, rerank && reranks ? "rerank" : "codec").traits.exact;
}

// If queries are prepared per list, residual codes are scored like other codes.
std::shared_ptr<const Codec> make_model_codec(const Parts& parts, const std::string& prefix) {
    const bool inner = prefix == "codec";
    const std::string own = inner ? "transform.out_dim" : "rerank.dim", dim = parts.params.contains(own) ? own : "dim";
    const bool residual = parts.param_or("partition.residual", 0) != 0 && parts.param_or("partition.relative", 0) == 0;
    return make_codec(parts, prefix, static_cast<std::uint32_t>(parts.param(dim, 1, max_dim)),
                      inner_metric(metric_of(parts)), inner && residual);
}

// <q, r> = <q - s c, r> + s <c, r>, and b is the error of the estimate of <c, r>. If s c is q's projection, q - s c is
// shortest, and the estimate of the first term is best.
float Model::b_scale(const QueryTerms& terms, const Partition::Probe& probe) const {
    return projected ? partition->projection(probe) : terms.b_scale;
}

}  // namespace fewbits
