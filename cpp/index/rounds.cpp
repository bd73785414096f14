#include "index/rounds.h"

#include <limits>

namespace fewbits {

Rounds::Rounds(std::size_t queries, std::uint32_t patience, std::size_t wanted, const RowIds* ids)
    : patience_(patience), wanted_(wanted), queries_(queries) {
    best_.break_ties_by(ids);
}

bool Rounds::stops(std::size_t i, std::size_t lists, std::span<const Hit> kept) {
    Query& query = queries_[i];
    query.patience.read(lists, best(query, kept, query.patience.floor()), wanted_);
    return query.patience.ends(patience_);
}

// The best hits so far, in any order. floor: what all of them probably score, for speed.
std::span<const Hit> Rounds::best(const Query& query, std::span<const Hit> kept, float floor) {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    best_.reset(wanted_);
    for (const Hit& hit : kept)
        if (hit.score >= floor) best_.push(hit);
    for (const Pending& pending : query.hits)
        if (pending.hit.score >= floor) best_.push(pending.hit);
    const std::span<const Hit> found = best_.kept();
    return found.size() < wanted_ && floor > lowest ? best(query, kept, lowest) : found;
}

void Rounds::finish(std::size_t i, TopHits& hits, std::vector<Hit>* exceeding) const {
    for (const Pending& pending : queries_[i].hits) hits.push(pending.hit);
    for (const Pending& pending : queries_[i].exceeding) exceeding->push_back(pending.hit);
}

}  // namespace fewbits
