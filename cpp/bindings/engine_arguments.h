// What methods of the engine take and return, between numpy and the core.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/rows.h"
#include "bindings/arrays.h"
#include "index/engine.h"
#include "index/search_call.h"
#include "multivector/sets.h"

namespace fewbits::bindings {

using IdArray = py::array_t<std::int64_t, py::array::c_style>;
using OffsetArray = py::array_t<std::int64_t, py::array::c_style>;
using Numbers = std::optional<py::array_t<std::uint32_t, py::array::c_style>>;
using Filters = std::vector<const Filter*>;

// The results of a search: ids and scores, queries x k.
struct Results {
    std::vector<std::int64_t> ids;
    std::vector<float> scores;

    Results(std::size_t queries, std::size_t k) : ids(checked_mul(queries, k)), scores(ids.size()) {}
    // Cosines, which rounding takes out of -1..1 by 1e-7.
    void keep_within_one() {
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids[i] >= 0) scores[i] = std::clamp(scores[i], -1.0f, 1.0f);
    }
    py::tuple to_tuple(std::size_t queries, std::size_t k) {
        const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(queries), static_cast<py::ssize_t>(k)};
        return py::make_tuple(to_numpy(std::move(ids), shape), to_numpy(std::move(scores), shape));
    }
};

template <class T>
std::span<const T> span_or_none(const std::optional<py::array_t<T, py::array::c_style>>& values) {
    if (!values) return {};
    return {values->data(), static_cast<std::size_t>(values->size())};
}

// Queries of the engine's dimension.
inline MatrixView queries_view(const Engine& engine, const FloatArray& queries) {
    const MatrixView view = matrix_view(queries);
    if (view.cols != engine.model().dim)
        fail("queries: got " + std::to_string(view.cols) + " dimensions, expected "
             + std::to_string(engine.model().dim));
    return view;
}

// What `search(queries, results)` finds, on a copy of the queries that nobody else can change.
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

// Sets are flat tokens and offsets.
SetsView sets_view(const FloatArray& tokens, const OffsetArray& offsets);
py::tuple sets_to_tuple(OwnedSets sets, std::size_t dim);

// What an engine does for vectors that stand for sets of tokens.
void define_set_methods(py::class_<Engine>& engine);

}  // namespace fewbits::bindings
