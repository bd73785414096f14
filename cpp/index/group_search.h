// The steps of a search for one group of queries: choose lists, scan them list by list, keep the best hits. Several
// workers can share the scans of a group, one slice each, and merge their hits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "blocks/top_k.h"
#include "index/prepared_queries.h"
#include "index/probe.h"
#include "index/row_order.h"
#include "index/search.h"

namespace fewbits {

class GroupSearch {
public:
    // packed: codes of the rows that the filter allows, if only these are to be scanned; or null. first_query: the
    // number of the group's first query in the search. Scans slice `slice` of `slices`.
    GroupSearch(const Snapshot& snapshot, const PackedCodes* packed, MatrixView queries, std::size_t first_query,
                const SearchParams& params, std::size_t slice, std::size_t slices);

    // Scans this slice's share of all (list, chunk) pairs.
    void scan();
    // Adds the hits of another slice of the same work.
    void absorb(GroupSearch& other);
    // The hits of all absorbed slices, as rows of the snapshot, with final scores.
    std::span<TopHits> finish();
    // What finish() selected a hit of query i by. Only if params.keys is set.
    float key(std::size_t i, std::uint32_t row) const;

private:
    struct Chunk;

    void probe();
    void take_given_probes();
    void keep_keys();
    std::size_t near_probes() const;
    void scan_probes(std::size_t begin, std::size_t end, std::uint32_t first_step);
    void sort_by_list(std::vector<std::uint32_t>& pairs) const;
    void scan_list(std::uint32_t list, std::span<std::uint32_t> pairs, std::uint32_t first_step);
    void scan_chunk(const Chunk& chunk, std::span<const std::uint32_t> pairs, bool wide);
    kernels::ScanQuery scan_query(std::uint32_t pair, std::uint32_t n);
    void keep_hits(const Chunk& chunk, const kernels::Scan& scan, std::size_t i, kernels::ScanQuery& found);
    bool joined() const { return packed_ && !packed_->lists.empty(); }
    bool adds_lists() const { return joined() && model_.residual; }
    float with_list(std::uint32_t row, std::size_t i, float score, const kernels::Scan& chunk) const;
    void add_lists(kernels::ScanQuery& query, std::size_t i, const kernels::Scan& chunk,
                   std::span<Hit> exceeding) const;
    std::size_t query_of(std::uint32_t pair) const { return pair / probes_.width; }

    const Snapshot& snapshot_;
    const PackedCodes* packed_;
    const Snapshot& scanned_;  // packed_'s snapshot, or snapshot_
    const Model& model_;
    SearchParams params_;
    std::size_t capacity_;  // hits per query
    std::size_t first_query_;
    RowOrder order_;
    bool staged_, reranks_;
    std::size_t slice_, slices_, work_ = 0;
    PreparedQueries queries_;
    Probes probes_;
    std::vector<float> list_scores_;  // queries x nlist, for packed residual codes
    std::vector<TopHits> hits_;
    std::vector<std::vector<Hit>> exceeding_;  // of staged codes: see Codec::refine
    std::vector<std::vector<Hit>> keys_;       // of the best hits, by row
    std::vector<kernels::ScanQuery> scan_queries_;
};

}  // namespace fewbits
