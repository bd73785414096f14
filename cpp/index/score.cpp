#include "index/score.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "index/filter.h"
#include "index/prepared_queries.h"
#include "index/rerank.h"
#include "index/results.h"
#include "index/search.h"

namespace fewbits {
namespace {

constexpr std::size_t no_place = std::numeric_limits<std::size_t>::max();

// The vectors with these ids: each once, by ascending row, and for each id the place of its vector in `rows`.
struct Wanted {
    std::vector<std::uint32_t> rows;
    std::vector<std::size_t> places;  // no_place for padding

    Wanted(const Snapshot& snapshot, std::span<const std::int64_t> ids) {
        std::vector<std::int64_t> row_of(ids.size(), -1);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (ids[i] == -1) continue;
            row_of[i] = snapshot.row_of(ids[i]);
            if (row_of[i] < 0) fail("ids: " + std::to_string(ids[i]) + " is not in the index");
            rows.push_back(static_cast<std::uint32_t>(row_of[i]));
        }
        std::sort(rows.begin(), rows.end());
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
        for (const std::int64_t row : row_of) places.push_back(row < 0 ? no_place : place(row));
    }
    std::size_t place(std::int64_t row) const {
        return static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), row) - rows.begin());
    }
};

// The results of a search for only the wanted vectors: rows and public scores, queries.rows x rows.size().
struct Found {
    std::vector<std::int64_t> rows;
    std::vector<float> scores;
};

Found reranked(const Snapshot& snapshot, MatrixView queries, const Wanted& wanted, Found found) {
    const std::size_t k = wanted.rows.size();
    const Model& model = *snapshot.model;
    std::vector<float> entered(queries.size());
    if (model.two_inputs)
        model.rerank_input.enter(queries, entered.data());
    else
        std::ranges::copy(PreparedQueries(model, queries).entered().span(), entered.begin());
    std::vector<TopHits> hits(queries.rows);
    for (TopHits& top : hits) {
        top.reset(k);
        for (const std::uint32_t row : wanted.rows) top.push({row, 0});
    }
    rerank(snapshot, {entered.data(), queries.rows, queries.cols}, k, -std::numeric_limits<float>::infinity(), hits);
    for (std::size_t i = 0; i < queries.rows; ++i)
        write_results(hits[i], k, model.metric, model.scored_dim(true), found.rows.data() + i * k,
                      found.scores.data() + i * k, [](std::uint32_t row) { return std::int64_t{row}; });
    return found;
}

Found scanned(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, std::span<const std::int64_t> ids,
              const Wanted& wanted, unsigned threads, Found found) {
    std::vector<std::int64_t> own(ids.begin(), ids.end());
    std::erase(own, -1);
    const auto filter = Filter::of_ids(own, true);
    const auto allowed = filter->rows(snapshot, threads);
    SearchParams params;
    params.k = wanted.rows.size();
    params.nprobe = snapshot->model->partition->nlist();
    params.threads = threads;
    params.filter = allowed.get();
    params.as_rows = true;
    search(*snapshot, queries, params, found.rows.data(), found.scores.data());
    return found;
}

// Scores the same ids for all queries.
void score_same(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, std::span<const std::int64_t> ids,
                unsigned threads, float* scores) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float worst = snapshot->model->metric == Metric::l2 ? infinity : -infinity;
    const Wanted wanted(*snapshot, ids);
    const std::size_t k = wanted.rows.size(), pairs = checked_mul(queries.rows, k);
    Found found{std::vector<std::int64_t>(pairs), std::vector<float>(pairs)};
    if (pairs > 0)
        found = snapshot->model->rerank ? reranked(*snapshot, queries, wanted, std::move(found))
                                        : scanned(snapshot, queries, ids, wanted, threads, std::move(found));
    std::vector<float> by_place(k);
    for (std::size_t i = 0; i < queries.rows; ++i) {
        std::fill(by_place.begin(), by_place.end(), worst);
        for (std::size_t j = i * k; j < (i + 1) * k; ++j)
            if (found.rows[j] >= 0) by_place[wanted.place(found.rows[j])] = found.scores[j];
        for (std::size_t j = 0; j < ids.size(); ++j)
            scores[i * ids.size() + j] = wanted.places[j] == no_place ? worst : by_place[wanted.places[j]];
    }
}

}  // namespace

void score(const std::shared_ptr<const Snapshot>& snapshot, MatrixView queries, IdTable ids, unsigned threads,
           float* scores) {
    constexpr std::size_t group = 64;  // queries that share ids and a task
    if (ids.rows != 1 && ids.rows != queries.rows)
        fail("ids: got " + std::to_string(ids.rows) + " rows, expected one per query, " + std::to_string(queries.rows));
    const std::size_t share = ids.rows == queries.rows ? 1 : snapshot->model->rerank ? group : queries.rows;
    const std::size_t tasks = queries.rows == 0 ? 0 : (queries.rows + share - 1) / share;
    parallel_for(tasks, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * share, count = std::min(share, queries.rows - first);
        const std::int64_t* own = ids.row(ids.rows == 1 ? 0 : first);
        score_same(snapshot, queries.block(first, count), {own, ids.cols}, tasks == 1 ? threads : 1,
                   scores + first * ids.cols);
    });
}

}  // namespace fewbits
