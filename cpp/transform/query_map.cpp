#include "transform/query_map.h"

#include "base/registry.h"

namespace fewbits {
namespace {

Linear linear(const Parts& parts, const std::string& name, std::uint32_t rows, std::uint32_t cols) {
    return Linear({parts.finite(name, checked_mul(rows, cols)).data(), rows, cols});
}

}  // namespace

QueryMap::QueryMap(const Parts& parts, std::uint32_t dim) {
    if (row_of<QueryMapKind>(query_map_kinds, parts, "query.kind").kind == 1) {
        full_ = linear(parts, "query.matrix", dim, dim);
        return;
    }
    const auto rank = static_cast<std::uint32_t>(parts.param("query.rank", 1, dim));
    down_ = linear(parts, "query.down", rank, dim);
    up_ = linear(parts, "query.up", dim, rank);
}

void QueryMap::apply(MatrixView queries, float* mapped) const {
    if (full_) return full_->apply(queries, mapped);
    std::vector<float> inner(queries.rows * down_->out_dim());
    down_->apply(queries, inner.data());
    up_->apply({inner.data(), queries.rows, down_->out_dim()}, mapped);
    for (std::size_t i = 0; i < queries.size(); ++i) mapped[i] += queries.data[i];
}

std::shared_ptr<const QueryMap> make_query_map(const Parts& parts, std::uint32_t dim) {
    if (parts.param_or("query.kind", 0) == 0) return nullptr;
    return std::make_shared<const QueryMap>(parts, dim);
}

}  // namespace fewbits
