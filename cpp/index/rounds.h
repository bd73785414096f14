// What a search in rounds knows of each query between two rounds: whether its k best results still change, and which
// hits by entries in second lists are pending, as their first lists may still be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "blocks/hit.h"
#include "blocks/top_k.h"
#include "index/patience.h"

namespace fewbits {

class Rounds {
public:
    Rounds() = default;
    // wanted: results per query. ids: as for TopHits.
    Rounds(std::size_t queries, std::uint32_t patience, std::size_t wanted, const RowIds* ids);

    // Lists per round.
    std::size_t lists() const { return Patience::round(patience_); }

    // Keeps hits of query i pending, and their full scores if these exceed those of the hits. list_of(row): the first
    // list of a vector.
    template <class ListOf>
    void keep(std::size_t i, std::span<const Hit> hits, std::span<const Hit> exceeding, const ListOf& list_of) {
        for (const Hit& hit : hits) queries_[i].hits.push_back({hit, list_of(hit.row)});
        for (const Hit& hit : exceeding) queries_[i].exceeding.push_back({hit, list_of(hit.row)});
    }
    // Drops pending hits of query i below the threshold, and those whose first list has been read by now.
    template <class IsRead>
    void settle(std::size_t i, float threshold, const IsRead& is_read) {
        const auto read = [&](const Pending& pending) { return is_read(pending.list); };
        std::erase_if(queries_[i].hits,
                      [&](const Pending& pending) { return pending.hit.score < threshold || read(pending); });
        std::erase_if(queries_[i].exceeding, read);
    }

    // Ends a round of query i, in which it read `lists` lists; kept: its best hits, without those that are pending.
    // Returns whether it stops.
    bool stops(std::size_t i, std::size_t lists, std::span<const Hit> kept);

    // Moves what is pending to the other hits.
    void finish(std::size_t i, TopHits& hits, std::vector<Hit>* exceeding) const;

private:
    struct Pending {
        Hit hit;
        std::uint32_t list;
    };
    struct Query {
        Patience patience;
        std::vector<Pending> hits, exceeding;
    };
    std::span<const Hit> best(const Query& query, std::span<const Hit> kept, float floor);

    std::uint32_t patience_ = 0;
    std::size_t wanted_ = 0;
    std::vector<Query> queries_;
    TopHits best_;  // of one query
};

}  // namespace fewbits
