// The steps of a search for one group of queries: choose lists, scan them list by list, keep the best hits. Several
// workers can share the scans of a group, one slice each, and merge their hits.
//
// A vector with a second list is scored by the entry in its first list if the query reads that list, and only otherwise
// by the other one. With patience, a query reads its lists in rounds, and the lists of the rounds that it reads count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bitmap.h"
#include "blocks/top_k.h"
#include "index/prepared_queries.h"
#include "index/probe.h"
#include "index/promises.h"
#include "index/rounds.h"
#include "index/row_order.h"
#include "index/search.h"

namespace fewbits {

// How the rows that a filter allows are read.
struct Reading {
    const PackedCodes* packed = nullptr;  // codes of these rows alone, or null: those of all rows
    bool all = false;                     // whether every allowed row is read, whatever nprobe and patience are
};

class GroupSearch {
public:
    // first_query: the number of the group's first query in the search. Scans slice `slice` of `slices`.
    GroupSearch(const Snapshot& snapshot, const Reading& reading, MatrixView queries, std::size_t first_query,
                const SearchParams& params, std::size_t slice, std::size_t slices);

    // Scans this slice's share of all (list, chunk) pairs.
    void scan();
    // Adds the hits of another slice of the same work.
    void absorb(GroupSearch& other);
    // The hits of all absorbed slices, as rows of the snapshot, with final scores.
    std::span<TopHits> finish();
    // What finish() selected a hit of query i by. Only if params.keys is set.
    float key(std::size_t i, std::uint32_t row) const;
    // The codes that were scanned for each query; only if the params ask for it.
    std::span<const std::uint64_t> entries_read() const { return entries_read_; }

private:
    struct Source;
    // A part of a list. rows, first_row: those of the source, from the chunk's first entry on.
    struct Chunk {
        kernels::Scan scan;
        RowCodes rest;
        std::size_t segment;
        std::uint32_t first_row;
        const std::uint32_t* rows;

        std::uint32_t row(const Hit& hit) const {
            const std::uint32_t v = hit.row - scan.first_row;
            return first_row + (rows ? rows[v] : v);
        }
    };

    void probe();
    void take_given_probes();
    void prepare_list_terms();
    void keep_keys();
    void rerank_hits();
    std::size_t near_lists() const;
    void scan_in_rounds();
    void mark_read(std::size_t begin, std::size_t end);
    void scan_probes(std::size_t begin, std::size_t end, std::uint32_t first_step);
    void sort_by_list(std::vector<std::uint32_t>& pairs) const;
    void scan_list(std::uint32_t list, std::span<std::uint32_t> pairs, std::uint32_t first_step);
    std::size_t entries_in(std::uint32_t list) const;
    void scan_pairs(std::uint32_t list, std::span<const std::uint32_t> pairs, std::uint32_t first_step, bool wide);
    void scan_entries(const Source& source, std::uint32_t list, std::span<const std::uint32_t> pairs,
                      std::uint32_t first_step, bool wide);
    void scan_chunk(const Chunk& chunk, std::span<const std::uint32_t> pairs, bool wide);
    kernels::ScanQuery scan_query(std::uint32_t pair, std::uint32_t n);
    bool pends(const Chunk& chunk) const { return chunk.rows && in_rounds_; }
    void keep_hits(const Chunk& chunk, std::size_t i, kernels::ScanQuery& found, std::span<Hit> exceeding);
    void keep_promises(std::uint32_t pair, const kernels::ScanQuery& found);
    void refine(const Promises::Group& group);
    void refine_waiting(std::size_t i);
    std::uint32_t first_list(std::uint32_t row) const;
    void drop_others(const Chunk& chunk, std::size_t i, kernels::ScanQuery& found) const;
    bool reads(std::size_t i, std::uint32_t list) const { return read_.test(i * model_.partition->nlist() + list); }
    bool joined() const { return packed_ && !packed_->lists.empty(); }
    bool adds_lists() const { return joined() && model_.residual; }
    bool adds_in_scan() const;
    void scan_with_lists(kernels::Scan scan, std::span<const std::uint32_t> pairs, bool wide);
    void run(const kernels::Scan& scan, bool wide) const;
    float with_list(std::uint32_t row, std::size_t i, float score, const kernels::Scan& chunk) const;
    void add_lists(kernels::ScanQuery& query, std::size_t i, const kernels::Scan& chunk,
                   std::span<Hit> exceeding) const;
    std::size_t query_of(std::uint32_t pair) const { return pair / probes_.width; }

    const Snapshot& snapshot_;
    const PackedCodes* packed_;
    bool reads_all_;
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
    bool second_ = false;     // whether entries in second lists are scanned
    Bitmap read_;             // queries x nlist: the lists that each query reads; only if second_
    bool in_rounds_ = false;  // whether lists are read in rounds
    Rounds rounds_;
    std::vector<bool> stopped_;  // the queries that read no more lists
    std::vector<std::uint64_t> entries_read_;
    std::vector<float> list_coarse_;  // queries x nlist, for packed residual codes: of the lists that these come from
    std::vector<float> list_terms_;   // of the rows of a chunk, for one query
    std::vector<TopHits> hits_;
    std::vector<std::vector<Hit>> exceeding_;  // of staged codes: see Codec::refine
    std::vector<std::vector<Hit>> keys_;       // of the best hits, by row
    std::vector<Promises> promises_;           // of staged codes, for each query
    std::vector<Chunk> chunks_;                // in which promises were found
    // Codes of short lists are scored while they are in cache. None can wait if queries are prepared list by list, if
    // promises lack the terms of their lists, or if lists are read in rounds.
    bool promises_wait_ = false;
    std::vector<kernels::ScanQuery> scan_queries_;
};

}  // namespace fewbits
