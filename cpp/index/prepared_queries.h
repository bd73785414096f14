// A group of queries as input to the parts of a model: entered (normalised, mapped, centered), transformed, and
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

    // Prepares query i for a list of a relative model.
    void prepare_relative(std::size_t i, std::uint32_t list);

    const QueryTerms& terms(std::size_t i) const { return terms_[i]; }
    bool is_wide(std::size_t i) const { return !wide_[i].empty(); }
    // The table for scan_kernel, or for scan_wide if the query is wide.
    const void* table(std::size_t i) const {
        if (is_wide(i)) return wide_[i].data();
        return tables_.data() + i * model_.codec->table_bytes();
    }
    // The row query for Codec::refine; only for staged codes.
    const std::uint8_t* row_query(std::size_t i) const {
        return row_queries_.data() + i * model_.codec->row_query_bytes();
    }

private:
    void enter(MatrixView queries);
    void prepare(std::size_t i, const float* query);

    const Model& model_;
    std::vector<float> entered_, transformed_;
    std::vector<std::uint8_t> tables_, row_queries_;
    std::vector<std::vector<float>> wide_;  // tables of wide queries
    std::vector<QueryTerms> terms_;
};

}  // namespace fewbits
