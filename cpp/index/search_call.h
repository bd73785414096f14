// One call of search as users make it: every query, whatever its filter, searches one snapshot.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "index/filter.h"
#include "index/search.h"

namespace fewbits {

// Filters, and for each query the number of its own; `of_query` is empty where all queries share the first filter, and
// there may be none at all.
struct QueryFilters {
    std::span<const Filter* const> filters;
    std::span<const std::uint32_t> of_query;
};

// As `search`, with params.filter left out.
void search_call(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, const SearchParams& params,
                 const QueryFilters& filters, std::int64_t* ids, float* scores);

}  // namespace fewbits
