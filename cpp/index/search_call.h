// A user's call of search: all queries search the same snapshot, each with its own filter.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index/filter.h"
#include "index/search.h"

namespace fewbits {

// Filters, and per query the number of its filter. If `of_query` is empty, all queries use the first filter, or none if
// there is none.
struct QueryFilters {
    std::span<const Filter* const> filters;
    std::span<const std::uint32_t> of_query;
};

// As `search`; params.filter is ignored.
void search_call(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, const SearchParams& params,
                 const QueryFilters& filters, std::int64_t* ids, float* scores);

}  // namespace fewbits
