#include "index/model.h"

#include <cmath>
#include <utility>

namespace fewbits {
namespace {

constexpr std::uint64_t max_dim = 65535;

}  // namespace

std::shared_ptr<const Model> Model::make(Parts parts) {
    auto model = std::make_shared<Model>();
    model->dim = static_cast<std::uint32_t>(parts.param("dim", 1, max_dim));
    model->metric = static_cast<Metric>(parts.param("metric", 0, 2));
    // Normalised rows leave ip and l2 to the parts; cosine is the former.
    const Metric inner = model->metric == Metric::l2 ? Metric::l2 : Metric::ip;
    model->transform = make_transform(parts, model->dim);
    model->partition = std::make_shared<Partition>(parts, model->transform->out_dim(), inner);
    model->residual = parts.param_or("partition.residual", 0) != 0;
    if (model->residual && model->partition->flat())
        throw Error(ErrorKind::corrupt, "partition.residual: got 1 without a partition, expected 0");
    model->codec = make_codec(parts, "codec", model->transform->out_dim(), inner, model->residual);
    if (parts.param_or("rerank.kind", 0) != 0) model->rerank = make_codec(parts, "rerank", model->dim, inner, false);
    model->rerank_on_disk = parts.param_or("rerank.on_disk", 0) != 0;
    model->parts = std::move(parts);
    return model;
}

void normalize_rows(MatrixView x, float* out) {
    for (std::size_t i = 0; i < x.rows; ++i) {
        const float* row = x.row(i);
        double squares = 0;
        for (std::size_t j = 0; j < x.cols; ++j) squares += double{row[j]} * double{row[j]};
        const auto inverse = squares > 0 ? 1.0 / std::sqrt(squares) : 0.0;
        for (std::size_t j = 0; j < x.cols; ++j) out[i * x.cols + j] = static_cast<float>(row[j] * inverse);
    }
}

}  // namespace fewbits
