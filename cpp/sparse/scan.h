// Exact search of one query: window by window, from the largest bound down, until no bound reaches the k-th best. In a
// window, lists are added from the largest bound down until what the others can add is less than the threshold; the
// few rows that may still qualify are completed from their own terms.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bitmap.h"
#include "sparse/query.h"
#include "sparse/snapshot.h"
#include "sparse/top_sums.h"

namespace fewbits::sparse {

// A buffer of one thread: all zero between queries.
struct Scratch {
    std::vector<std::uint32_t> sums;  // of a window
};

class Scan {
public:
    // allowed: rows that may be found (of those alive, at most).
    Scan(const Snapshot& snapshot, const Query& query, const Bitmap& allowed, Scratch& scratch);
    Scan(const Scan&) = delete;
    Scan& operator=(const Scan&) = delete;

    void run(TopSums& top);

private:
    struct Entry {
        const Postings::Block* block;
        std::uint32_t weight;

        std::uint32_t bound() const { return weight * block->max_code; }
    };
    struct Window {
        std::size_t segment;
        std::uint32_t number;
        std::size_t first, last;  // entries
        std::uint64_t bound;
    };
    struct Candidate {
        std::uint32_t row;  // in the window
        std::uint32_t sum;
        std::uint32_t rest;  // the most that is to be added

        std::uint64_t bound() const { return std::uint64_t{sum} + rest; }
    };

    void gather();
    void scan(const Window& window, TopSums& top);
    void add(const Postings& postings, const Entry& entry);
    void raise(const Postings& postings, const Entry& entry, std::uint32_t first_row, TopSums& top) const;
    void select(const Postings& postings, std::span<const Entry> added, std::uint32_t rows, std::uint64_t least);
    bool rows_are_cheaper(const Segment& segment, std::size_t postings, std::size_t k) const;
    void push_completed(const Rows& rows, std::uint32_t first_row, std::uint32_t global, TopSums& top);
    void bound_candidates(const Postings& postings, std::span<const Entry> rest, const TopSums& top);
    void keep_candidates(const TopSums& top);
    void add_to_candidates(const Postings& postings, const Entry& entry, const TopSums& top);

    const Snapshot& snapshot_;
    const Query& query_;
    const Bitmap& allowed_;
    Scratch& scratch_;
    std::vector<Entry> entries_;
    std::vector<Window> windows_;
    std::vector<Candidate> candidates_;
};

}  // namespace fewbits::sparse
