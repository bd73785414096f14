// Conversions between numpy and the core for arguments and results of the engine's methods.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rows.h"
#include "bindings/results.h"
#include "index/engine.h"
#include "index/search_call.h"
#include "multivector/sets.h"

namespace fewbits::bindings {

using OffsetArray = py::array_t<std::int64_t, py::array::c_style>;
using Filters = std::vector<const Filter*>;

// Throws unless queries have `dim` dimensions.
inline MatrixView queries_view(const FloatArray& queries, std::uint32_t dim) {
    const MatrixView view = matrix_view(queries);
    if (view.cols != dim)
        fail("queries: got " + std::to_string(view.cols) + " dimensions, expected " + std::to_string(dim));
    return view;
}
inline MatrixView queries_view(const Engine& engine, const FloatArray& queries) {
    return queries_view(queries, engine.model().dim);
}

// The results of `search(queries, results)` on a copy of the queries, which other threads cannot change.
template <class Search>
py::tuple searched(const Engine& engine, const FloatArray& queries, std::size_t k, const Search& search) {
    const MatrixView view = queries_view(engine, queries);
    const RowRule rule = row_rule(engine.model().metric);
    std::optional<Results> results;
    unlocked([&] {
        results.emplace(view.rows, k);
        const auto own = checked_copy(view, rule, "queries");
        search(MatrixView{own.data(), view.rows, view.cols}, *results);
    });
    return results->to_tuple(view.rows, k);
}

inline QueryFilters query_filters(const Filters& filters, const Numbers& filter_of) {
    for (const Filter* filter : filters) require(filter != nullptr, "filters: expected filters, got None");
    return {filters, span_or_none(filter_of)};
}

// In Python, sets are a matrix of tokens and offsets.
SetsView sets_view(const FloatArray& tokens, const OffsetArray& offsets);
py::tuple sets_to_tuple(OwnedSets sets, std::size_t dim);

// Defines the methods for vectors that stand for sets of tokens.
void define_set_methods(py::class_<Engine>& engine);

}  // namespace fewbits::bindings
