#include "index/prepared_queries.h"

#include <utility>

#include "base/interrupt.h"

namespace fewbits {

PreparedQueries::PreparedQueries(const Model& model, MatrixView queries)
    : model_(model), entered_(queries.size()), wide_(queries.rows), terms_(queries.rows) {
    const Codec& codec = *model.codec;
    enter(queries);
    transformed_.resize(queries.rows * model.transform->out_dim());
    model.transform->apply_to_queries(entered(), transformed_.data());
    tables_.resize(queries.rows * codec.table_bytes());
    if (codec.layout().rest_bytes > 0) row_queries_.resize(queries.rows * codec.row_query_bytes());
    for (std::size_t i = 0; i < queries.rows; ++i) {
        poll(codec.table_bytes());
        if (!model.relative) prepare(i, transformed().row(i));
    }
}

// Query maps apply to input space; the center is subtracted from their output.
void PreparedQueries::enter(MatrixView queries) {
    if (!model_.query_map) return model_.input.enter(queries, entered_.data());
    std::vector<float> mapped(queries.data, queries.data + queries.size());
    if (model_.metric == Metric::cosine) normalize_rows(queries, mapped.data());
    model_.query_map->apply({mapped.data(), queries.rows, queries.cols}, entered_.data());
    if (model_.input.center.empty()) return;
    model_.input.enter(entered(), mapped.data());
    entered_ = std::move(mapped);
}

void PreparedQueries::prepare(std::size_t i, const float* query) {
    const Codec& codec = *model_.codec;
    terms_[i] = codec.prepare_scan(query, tables_.data() + i * codec.table_bytes(), wide_[i]);
    if (!row_queries_.empty()) codec.prepare_rows(query, row_queries_.data() + i * codec.row_query_bytes());
}

void PreparedQueries::prepare_relative(std::size_t i, std::uint32_t list) {
    const float* centroid = model_.partition->centroids().row(list);
    const float* query = transformed().row(i);
    std::vector<float> difference(transformed().cols);
    for (std::size_t j = 0; j < difference.size(); ++j) difference[j] = query[j] - centroid[j];
    prepare(i, difference.data());
}

}  // namespace fewbits
