#include "index/search.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "index/group_search.h"
#include "index/results.h"

namespace fewbits {
namespace {

constexpr std::size_t group_queries = 1024;  // maximum number of queries that share a pass over the lists
constexpr std::size_t worth_sharing = 64;    // queries; groups are not made smaller just to balance the threads
constexpr double worker_bytes = 1 << 20;     // codes per worker for which it is worth starting one (about 50 us)

Reading reading_of(const Snapshot& snapshot, std::size_t n_queries, const SearchParams& params) {
    if (!params.filter) return {};
    const RowFilter& filter = *params.filter;
    const bool copies = is_worth_copying(snapshot, filter, params.nprobe, filter.count(n_queries));
    if (!snapshot.model->relative && !params.probes && reads_all(snapshot, filter, params.nprobe))
        return {copies || !filter.in_ranges() ? &filter.joined(snapshot, params.threads) : nullptr, true};
    return {copies ? &filter.by_list(snapshot, params.threads) : nullptr, false};
}

unsigned useful_threads(const Snapshot& snapshot, std::size_t n_queries, const SearchParams& params) {
    const Model& model = *snapshot.model;
    const double share = std::min(1.0, double{1.0} * params.nprobe / model.partition->nlist());
    const double bytes = static_cast<double>(n_queries) * snapshot.rows() * share
                         * static_cast<double>(model.codec->layout().row_bytes());
    return static_cast<unsigned>(
        std::clamp(bytes / worker_bytes, 1.0, static_cast<double>(resolve_threads(params.threads))));
}

// Several groups per thread, so that threads finish at about the same time. The queries of a group share scans.
std::size_t queries_per_group(std::size_t n_queries, unsigned threads) {
    const auto share = [&](std::size_t parts) { return (n_queries + parts - 1) / parts; };
    const std::size_t group =
        threads == 1 ? n_queries : std::max(share(4 * threads), std::min(share(threads), worth_sharing));
    return std::clamp<std::size_t>(group, 1, group_queries);
}

void check_rerank_queries(const Model& model, std::size_t n_queries, const SearchParams& params) {
    const MatrixView given = params.rerank_queries;
    const bool needed = model.two_inputs && params.rerank > 0;
    if (!needed && given.data)
        fail("rerank_queries: expected none, as nothing is reranked by another embedding in this search");
    if (needed && (given.rows != n_queries || given.cols != model.rerank_input.dim))
        fail("rerank_queries: expected " + std::to_string(n_queries) + " of " + std::to_string(model.rerank_input.dim)
             + " dimensions, those of the embedding in the rerank store, got " + std::to_string(given.rows) + " of "
             + std::to_string(given.cols));
}

}  // namespace

void search(const Snapshot& snapshot, MatrixView queries, const SearchParams& params, std::int64_t* ids,
            float* scores) {
    check_rerank_queries(*snapshot.model, queries.rows, params);
    const unsigned threads = useful_threads(snapshot, queries.rows, params);
    const Reading reading = reading_of(snapshot, queries.rows, params);
    const std::size_t group = queries_per_group(queries.rows, threads);
    const std::size_t groups = (queries.rows + group - 1) / group;
    // Fewer queries than threads: several workers scan for one query, and their hits are merged.
    // Not if the query may stop: each of its lists then depends on those before.
    const std::size_t slices = groups == 0 || params.patience > 0 ? 1 : std::max<std::size_t>(1, threads / groups);
    const auto group_of = [&](std::size_t g) {
        return queries.block(g * group, std::min(group, queries.rows - g * group));
    };
    const auto finish = [&](GroupSearch& work, std::size_t g) {
        const std::span<TopHits> hits = work.finish();
        if (params.entries_read) std::ranges::copy(work.entries_read(), params.entries_read + g * group);
        for (std::size_t i = 0; i < hits.size(); ++i) {
            const std::size_t at = (g * group + i) * params.k;
            float* key = params.keys ? params.keys + at : nullptr;
            if (key) std::fill_n(key, params.k, -std::numeric_limits<float>::infinity());
            write_results(hits[i], params.k, snapshot.model->metric, snapshot.model->scored_dim(params.rerank > 0),
                          ids + at, scores + at, [&](std::uint32_t row) {
                              if (key) *key++ = work.key(i, row);
                              return params.as_rows ? std::int64_t{row} : snapshot.id(row);
                          });
        }
    };
    if (slices == 1) {
        parallel_for(groups, threads, [&](std::size_t g, unsigned) {
            GroupSearch work(snapshot, reading, group_of(g), g * group, params, 0, 1);
            work.scan();
            finish(work, g);
        });
        return;
    }
    std::vector<std::unique_ptr<GroupSearch>> works(groups * slices);
    parallel_for(works.size(), threads, [&](std::size_t task, unsigned) {
        works[task] = std::make_unique<GroupSearch>(snapshot, reading, group_of(task / slices), task / slices * group,
                                                    params, task % slices, slices);
        works[task]->scan();
    });
    parallel_for(groups, threads, [&](std::size_t g, unsigned) {
        GroupSearch& merged = *works[g * slices];
        for (std::size_t slice = 1; slice < slices; ++slice) merged.absorb(*works[g * slices + slice]);
        finish(merged, g);
    });
}

}  // namespace fewbits
