#include "index/search_call.h"

#include <algorithm>
#include <string>
#include <vector>

namespace fewbits {
namespace {

// The lists of some queries of a search.
Probes probes_of(const Probes& all, std::span<const std::size_t> queries) {
    Probes own;
    own.width = all.width;
    for (const std::size_t i : queries) {
        const auto first = all.lists.begin() + static_cast<std::ptrdiff_t>(i * all.width);
        own.lists.insert(own.lists.end(), first, first + static_cast<std::ptrdiff_t>(all.width));
    }
    return own;
}

void search_one(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, SearchParams params,
                const Filter* filter, std::int64_t* ids, float* scores) {
    const auto allowed = filter ? filter->rows(snapshot, params.threads) : nullptr;
    params.filter = allowed.get();
    search(*snapshot, queries, params, ids, scores);
}

std::vector<std::vector<std::size_t>> queries_of(const QueryFilters& filters, std::size_t n_queries) {
    if (filters.of_query.size() != n_queries)
        fail("filters: got " + std::to_string(filters.of_query.size()) + ", expected one per query, "
             + std::to_string(n_queries));
    std::vector<std::vector<std::size_t>> queries(filters.filters.size());
    for (std::size_t i = 0; i < n_queries; ++i) {
        require(filters.of_query[i] < queries.size(), "filters: the filter number of a query is out of range");
        queries[filters.of_query[i]].push_back(i);
    }
    return queries;
}

}  // namespace

void search_call(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, const SearchParams& params,
                 const QueryFilters& filters, std::int64_t* ids, float* scores) {
    if (filters.of_query.empty()) {
        search_one(snapshot, queries, params, filters.filters.empty() ? nullptr : filters.filters[0], ids, scores);
        return;
    }
    const auto groups = queries_of(filters, queries.rows);
    std::vector<float> rows, others;
    const auto of_group = [](MatrixView all, const std::vector<std::size_t>& group, std::vector<float>& own) {
        own.resize(group.size() * all.cols);
        for (std::size_t i = 0; i < group.size(); ++i)
            std::copy_n(all.row(group[i]), all.cols, own.data() + i * all.cols);
        return MatrixView{own.data(), group.size(), all.cols};
    };
    std::vector<std::int64_t> found;
    std::vector<float> found_scores, found_keys;
    std::vector<std::uint64_t> read;
    for (std::size_t f = 0; f < groups.size(); ++f) {
        const auto& group = groups[f];
        found.resize(group.size() * params.k);
        found_scores.resize(found.size());
        found_keys.resize(params.keys ? found.size() : 0);
        read.resize(group.size());
        const Probes probes = params.probes ? probes_of(*params.probes, group) : Probes();
        SearchParams own = params;
        if (params.probes) own.probes = &probes;
        if (params.keys) own.keys = found_keys.data();
        if (params.entries_read) own.entries_read = read.data();
        if (params.rerank_queries.data) own.rerank_queries = of_group(params.rerank_queries, group, others);
        search_one(snapshot, of_group(queries, group, rows), own, filters.filters[f], found.data(),
                   found_scores.data());
        for (std::size_t i = 0; i < group.size(); ++i) {
            std::copy_n(found.data() + i * params.k, params.k, ids + group[i] * params.k);
            std::copy_n(found_scores.data() + i * params.k, params.k, scores + group[i] * params.k);
            if (params.keys) std::copy_n(found_keys.data() + i * params.k, params.k, params.keys + group[i] * params.k);
            if (params.entries_read) params.entries_read[group[i]] = read[i];
        }
    }
}

}  // namespace fewbits
