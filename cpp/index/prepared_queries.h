// A group of queries as the parts of a model see them: entered (normalised, mapped, about the center), transformed, and
// prepared by the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"
#include "index/model.h"

namespace fewbits {

class PreparedQueries {
public:
    // Queries of a relative model are prepared list by list.
    PreparedQueries(const Model& model, MatrixView queries);

    std::size_t size() const { return terms_.size(); }
    MatrixView entered() const { return {entered_.data(), size(), model_.dim}; }
    MatrixView transformed() const { return {transformed_.data(), size(), model_.transform->out_dim()}; }

    // Query i as it is seen from the list, for a relative model.
    void prepare_relative(std::size_t i, std::uint32_t list);

    const QueryTerms& terms(std::size_t i) const { return terms_[i]; }
    bool is_wide(std::size_t i) const { return !wide_[i].empty(); }
    // What scan_kernel reads, or scan_wide where the query is wide.
    const void* table(std::size_t i) const {
        if (is_wide(i)) return wide_[i].data();
        return tables_.data() + i * model_.codec->table_bytes();
    }
    // What Codec::refine reads; of staged codes alone.
    const std::uint8_t* row_query(std::size_t i) const {
        return row_queries_.data() + i * model_.codec->row_query_bytes();
    }

private:
    void enter(MatrixView queries);
    void prepare(std::size_t i, const float* query);

    const Model& model_;
    std::vector<float> entered_, transformed_;
    std::vector<std::uint8_t> tables_, row_queries_;
    std::vector<std::vector<float>> wide_;  // tables of the queries that are wide
    std::vector<QueryTerms> terms_;
};

}  // namespace fewbits
