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

class Scan {
public:
    struct Scratch;  // buffers of one thread

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
    };

    void gather();
    void scan(const Window& window, TopSums& top);
    void add(const Postings& postings, const Entry& entry);
    void raise(const Postings& postings, const Entry& entry, std::uint32_t first_row, TopSums& top) const;
    void select(const Postings& postings, std::span<const Entry> added, std::uint32_t rows, std::uint64_t least);
    bool rows_are_cheaper(const Segment& segment, std::size_t postings, std::size_t k) const;
    void push_completed(const Rows& rows, std::uint32_t first_row, std::uint32_t global, std::uint64_t rest,
                        TopSums& top);
    void look_up(const Postings& postings, const Entry& entry);
    void add_to_candidates(const Postings& postings, const Entry& entry);
    void keep_candidates(const TopSums& top, std::uint64_t rest);

    const Snapshot& snapshot_;
    const Query& query_;
    const Bitmap& allowed_;
    std::vector<std::uint32_t>& sums_;  // of a window; all zero between windows
    std::vector<Entry>& entries_;
    std::vector<Window>& windows_;
    std::vector<Candidate>& candidates_;
};

struct Scan::Scratch {
    std::vector<std::uint32_t> sums;
    std::vector<Entry> entries;
    std::vector<Window> windows;
    std::vector<Candidate> candidates;
};

}  // namespace fewbits::sparse
