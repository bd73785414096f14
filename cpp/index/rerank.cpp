#include "index/rerank.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/interrupt.h"
#include "io/advise.h"

namespace fewbits {
namespace {

// Requests all candidates of a group before the first is read, in the order in which they are stored.
void advise_candidates(const Snapshot& snapshot, std::span<TopHits> hits) {
    for (std::size_t s = 0; s < snapshot.segments.size(); ++s) {
        const RowCodes& codes = snapshot.segments[s]->rerank();
        std::vector<std::uint32_t> rows;
        for (TopHits& top : hits)
            for (const Hit& hit : top.kept())
                if (hit.row >= snapshot.first_rows[s] && hit.row < snapshot.first_rows[s + 1])
                    rows.push_back(hit.row - snapshot.first_rows[s]);
        std::sort(rows.begin(), rows.end());
        io::advise_rows(codes.base, codes.stride, rows);
    }
}

std::vector<std::uint32_t> ascending_rows(std::span<const Hit> hits) {
    std::vector<std::uint32_t> rows;
    for (const Hit& hit : hits) rows.push_back(hit.row);
    std::sort(rows.begin(), rows.end());
    return rows;
}

// rows: ascending rows of the snapshot; scored segment by segment.
void score_rows(const Snapshot& snapshot, const std::uint8_t* query, std::span<const std::uint32_t> rows,
                float* scores) {
    std::vector<std::uint32_t> own;
    for (std::size_t first = 0; first < rows.size(); first += own.size()) {
        const std::size_t s = snapshot.segment_of(rows[first]);
        own.clear();
        for (std::size_t r = first; r < rows.size() && rows[r] < snapshot.first_rows[s + 1]; ++r)
            own.push_back(rows[r] - snapshot.first_rows[s]);
        snapshot.model->rerank->score_rows(query, snapshot.segments[s]->rerank(), own.data(), own.size(),
                                           scores + first);
    }
}

}  // namespace

void rerank(const Snapshot& snapshot, MatrixView queries, std::size_t k, float min_score, std::span<TopHits> hits) {
    const Codec& codec = *snapshot.model->rerank;
    if (snapshot.model->rerank_on_disk) advise_candidates(snapshot, hits);
    std::vector<std::uint8_t> prepared(codec.row_query_bytes());
    std::vector<float> scores;
    for (std::size_t i = 0; i < queries.rows; ++i) {
        const std::vector<std::uint32_t> rows = ascending_rows(hits[i].kept());
        scores.resize(rows.size());
        poll(rows.size() * codec.layout().row_bytes());
        codec.prepare_rows(queries.row(i), prepared.data());
        score_rows(snapshot, prepared.data(), rows, scores.data());
        hits[i].reset(std::min<std::size_t>(k, snapshot.n()), min_score);
        for (std::size_t r = 0; r < rows.size(); ++r)
            if (scores[r] >= min_score) hits[i].push({rows[r], scores[r]});
    }
}

}  // namespace fewbits
