#include "multivector/search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "multivector/chamfer.h"
#include "multivector/coding.h"
#include "multivector/stopping.h"

namespace fewbits {
namespace {

struct Scored {
    std::int64_t id;
    float score;
};

bool better(const Scored& x, const Scored& y) {
    return x.score > y.score || (x.score == y.score && x.id < y.id);
}

// Writes the k best of those that score at least `min_score`.
void write_best(std::vector<Scored>& found, std::size_t k, float min_score, std::int64_t* ids, float* scores) {
    std::erase_if(found, [min_score](const Scored& each) { return !(each.score >= min_score); });
    const std::size_t kept = std::min(k, found.size());
    std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(), better);
    for (std::size_t i = 0; i < k; ++i) {
        ids[i] = i < kept ? found[i].id : -1;
        scores[i] = i < kept ? found[i].score : -std::numeric_limits<float>::infinity();
    }
}

void check_queries(const Snapshot& snapshot, const SetsView& queries) {
    require(snapshot.model->tokens != nullptr, "queries: this index has no tokens");
    check_sets(queries, "queries");
    if (queries.tokens.cols != snapshot.model->tokens->dim())
        fail("queries: got " + std::to_string(queries.tokens.cols) + " dimensions, expected "
             + std::to_string(snapshot.model->tokens->dim()));
}

struct Candidate {
    std::uint32_t row;
    float estimate;  // of its score
};

// candidates_of: those of a query; with a finite margin, in descending order of their estimates.
void rank(const Snapshot& snapshot, const SetsView& queries,
          const std::function<std::span<const Candidate>(std::size_t query)>& candidates_of,
          const SetSearchParams& params, std::int64_t* ids, float* scores) {
    parallel_for(queries.size(), params.threads, [&](std::size_t q, unsigned) {
        const ChamferQuery query(*snapshot.model->tokens, queries[q]);
        ChamferQuery::Scratch scratch;
        Stopping stopping(params.k, params.min_score, params.margin);
        std::vector<Scored> found;
        for (const Candidate& candidate : candidates_of(q)) {
            if (stopping.can_stop(candidate.estimate)) break;
            const CodeSet document = snapshot.tokens(candidate.row);
            if (document.n == 0) continue;
            found.push_back({snapshot.id(candidate.row), query.score(document, scratch)});
            stopping.ranked(candidate.estimate, found.back().score);
        }
        write_best(found, params.k, params.min_score, ids + q * params.k, scores + q * params.k);
    });
}

// Candidates of each query, found by their vectors, best first.
std::vector<std::vector<Candidate>> find_candidates(const std::shared_ptr<const Snapshot>& snapshot, MatrixView vectors,
                                                    const SetSearchParams& params, const QueryFilters& filters) {
    const std::size_t wanted = params.candidates > 0 ? params.candidates : params.k;
    const std::size_t k = std::min<std::size_t>(wanted, snapshot->n());
    std::vector<std::int64_t> rows(checked_mul(vectors.rows, k));
    std::vector<float> products(rows.size());
    SearchParams by_vectors{.k = k, .nprobe = params.nprobe, .rerank = 0, .threads = params.threads};
    by_vectors.as_rows = true;
    by_vectors.patience = params.patience;
    search_call(snapshot, vectors, by_vectors, filters, rows.data(), products.data());
    std::vector<std::vector<Candidate>> found(vectors.rows);
    for (std::size_t q = 0; q < vectors.rows; ++q) {
        const float shared = params.shared.empty() ? 0.0f : params.shared[q];
        for (std::size_t i = q * k; i < (q + 1) * k && rows[i] >= 0; ++i)
            found[q].push_back({static_cast<std::uint32_t>(rows[i]), products[i] / params.scale + shared});
    }
    return found;
}

void write_estimates(const Snapshot& snapshot, const std::vector<std::vector<Candidate>>& candidates,
                     const SetSearchParams& params, std::int64_t* ids, float* scores) {
    for (std::size_t q = 0; q < candidates.size(); ++q) {
        std::vector<Scored> found;
        for (const Candidate& each : candidates[q]) found.push_back({snapshot.id(each.row), each.estimate});
        write_best(found, params.k, params.min_score, ids + q * params.k, scores + q * params.k);
    }
}

}  // namespace

void search_sets(const std::shared_ptr<const Snapshot>& snapshot, MatrixView vectors, const SetsView& tokens,
                 const SetSearchParams& params, const QueryFilters& filters, std::int64_t* ids, float* scores) {
    check_queries(*snapshot, tokens);
    if (tokens.size() != vectors.rows)
        fail("queries: got " + std::to_string(tokens.size()) + " sets, expected " + std::to_string(vectors.rows));
    if (!params.shared.empty() && params.shared.size() != vectors.rows)
        fail("shared: got " + std::to_string(params.shared.size()) + " numbers, expected one per query");
    auto found = find_candidates(snapshot, vectors, params, filters);
    if (params.candidates == 0) return write_estimates(*snapshot, found, params, ids, scores);
    if (std::isinf(params.margin))  // all of them, in storage order
        for (std::vector<Candidate>& each : found) std::ranges::sort(each, std::less<>(), &Candidate::row);
    rank(*snapshot, tokens, [&](std::size_t q) { return std::span<const Candidate>(found[q]); }, params, ids, scores);
}

void rank_all(const Snapshot& snapshot, const SetsView& tokens, std::size_t k, unsigned threads, std::int64_t* ids,
              float* scores) {
    check_queries(snapshot, tokens);
    std::vector<Candidate> alive;
    for (std::uint32_t row = 0; row < snapshot.rows(); ++row)
        if (snapshot.is_alive(row)) alive.push_back({row, 0});
    SetSearchParams params;
    params.k = k;
    params.threads = threads;
    rank(snapshot, tokens, [&](std::size_t) { return std::span<const Candidate>(alive); }, params, ids, scores);
}

void score_sets(const Snapshot& snapshot, const SetsView& queries, IdTable ids, unsigned threads, float* scores) {
    check_queries(snapshot, queries);
    if (ids.rows != 1 && ids.rows != queries.size())
        fail("ids: got " + std::to_string(ids.rows) + " rows, expected one, or one per query");
    std::vector<CodeSet> documents;
    for (const std::int64_t id : ids.span()) documents.push_back(id == -1 ? CodeSet{} : tokens_of(snapshot, id));
    parallel_for(queries.size(), threads, [&](std::size_t q, unsigned) {
        const ChamferQuery query(*snapshot.model->tokens, queries[q]);
        ChamferQuery::Scratch scratch;
        const CodeSet* first = documents.data() + (ids.rows == 1 ? 0 : q * ids.cols);
        for (std::size_t i = 0; i < ids.cols; ++i)
            scores[q * ids.cols + i] =
                first[i].n == 0 ? -std::numeric_limits<float>::infinity() : query.score(first[i], scratch);
    });
}

}  // namespace fewbits
