// A filter evaluated for the rows of one snapshot: list by list, when a search first probes a list. The results are
// shared by all searches of that snapshot, so rows are evaluated only if they are needed, and seldom twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bitmap.h"
#include "base/locks.h"
#include "index/merge.h"
#include "index/snapshot.h"

namespace fewbits {

class RowFilter {
public:
    // Sets bit at + i of `allowed` if row first + i of a segment (i < n) is alive and allowed. Called concurrently from
    // several threads.
    using Ask = std::function<void(const Snapshot& snapshot, std::size_t segment, std::uint32_t first, std::uint32_t n,
                                   Bitmap& allowed, std::size_t at)>;
    // One list: its rows, segment after segment.
    struct List {
        Bitmap allowed;
        std::uint32_t n_allowed = 0;
    };

    // All calls must pass the same snapshot. in_sample: the number of allowed rows of a RowSample, if it is known; rows
    // are then found without asking for each. If there is only one list, it is evaluated immediately.
    RowFilter(const Snapshot& snapshot, Ask ask, std::optional<std::size_t> in_sample, unsigned threads);

    // The number of allowed rows, estimated from a sample; exact if there are few rows.
    double expected() const { return expected_; }
    // Whether the allowed rows of a list are found at little cost, as they are ranges.
    bool in_ranges() const { return in_ranges_; }
    const List& list(const Snapshot& snapshot, std::uint32_t list) const;
    // Whether one row of a segment is allowed, which is in this list.
    bool allows(const Snapshot& snapshot, std::size_t segment, std::uint32_t list, std::uint32_t row) const;
    // Packed codes of all allowed rows: in one list, or each in its own. Copied at the first call.
    const PackedCodes& joined(const Snapshot& snapshot, unsigned threads) const;
    const PackedCodes& by_list(const Snapshot& snapshot, unsigned threads) const;
    // Adds to the number of queries that have used this filter, and returns it.
    std::uint64_t count(std::uint64_t queries) const { return queries_ += queries; }

private:
    List answer(const Snapshot& snapshot, std::uint32_t list, unsigned threads) const;
    PackedCodes pack_all(const Snapshot& snapshot, bool join, unsigned threads) const;

    Ask ask_;
    bool in_ranges_;
    double expected_ = 0;
    std::unique_ptr<Lazy<List>[]> lists_;
    mutable Lazy<PackedCodes> joined_, by_list_;
    mutable std::atomic<std::uint64_t> queries_ = 0;
};

}  // namespace fewbits
