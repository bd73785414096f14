// What a filter says of the rows of one state of an index. It is asked list by list, when a search first reaches one,
// and its answers are shared by all searches of that state: no row is asked about twice, or before it is looked at.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bitmap.h"
#include "base/locks.h"
#include "index/merge.h"
#include "index/snapshot.h"

namespace fewbits {

class RowFilter {
public:
    // Sets bit at + i of `allowed` where row first + i of a segment (i < n) is alive and allowed; called from several
    // threads.
    using Ask = std::function<void(const Snapshot& snapshot, std::size_t segment, std::uint32_t first, std::uint32_t n,
                                   Bitmap& allowed, std::size_t at)>;
    // One list: its rows, segment after segment.
    struct List {
        Bitmap allowed;
        std::uint32_t n_allowed = 0;
    };

    // The snapshot of all calls is the one that this was made from. A list that every search reads is asked at once.
    RowFilter(const Snapshot& snapshot, Ask ask, unsigned threads);

    // About how many rows are allowed, by a sample; exact if there are few rows.
    double expected() const { return expected_; }
    const List& list(const Snapshot& snapshot, std::uint32_t list) const;
    // The codes of all that is allowed, side by side: in one list, or each in its own. Copied at the first call.
    const PackedCodes& joined(const Snapshot& snapshot, unsigned threads) const;
    const PackedCodes& by_list(const Snapshot& snapshot, unsigned threads) const;
    // How many queries have been asked with this filter, these included.
    std::uint64_t count(std::uint64_t queries) const { return queries_ += queries; }

private:
    List answer(const Snapshot& snapshot, std::uint32_t list, unsigned threads) const;
    PackedCodes pack_all(const Snapshot& snapshot, bool join, unsigned threads) const;

    Ask ask_;
    double expected_ = 0;
    std::unique_ptr<Lazy<List>[]> lists_;
    mutable Lazy<PackedCodes> joined_, by_list_;
    mutable std::atomic<std::uint64_t> queries_ = 0;
};

}  // namespace fewbits
