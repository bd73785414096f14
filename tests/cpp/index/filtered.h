// Vectors, queries and a filtered search, for the tests of filters by id and by label.
#pragma once

#include <vector>

#include "index/filter.h"
#include "index/models.h"

namespace fewbits::test {

constexpr std::uint32_t d = 9;
constexpr std::size_t n = 5000, n_queries = 7, k = 6;

inline MatrixView x() {
    static const std::vector<float> floats = random_floats(n * d, 5);
    return {floats.data(), n, d};
}
inline MatrixView q() {
    static const std::vector<float> floats = random_floats(n_queries * d, 6);
    return {floats.data(), n_queries, d};
}

inline Found filtered(const Engine& engine, const Filter& filter, SearchParams params, MatrixView queries = q()) {
    const auto snapshot = engine.snapshot();
    const auto rows = filter.rows(snapshot, params.threads);
    params.filter = rows.get();
    Found found{std::vector<std::int64_t>(queries.rows * params.k), std::vector<float>(queries.rows * params.k)};
    search(*snapshot, queries, params, found.ids.data(), found.scores.data());
    return found;
}

}  // namespace fewbits::test
