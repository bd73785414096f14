// Which vectors a search may return: a question about ids (Filter), and its answer for the rows of one state of an
// index (RowFilter), which is worked out once and shared by all searches of that state.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/bitmap.h"
#include "index/merge.h"
#include "index/snapshot.h"

namespace fewbits {

class RowFilter {
public:
    // allowed: of the snapshot's rows, alive ones only.
    RowFilter(const Snapshot& snapshot, Bitmap allowed);

    const Bitmap& allowed() const { return allowed_; }
    std::uint32_t n() const { return n_; }
    const std::vector<std::uint32_t>& by_list() const { return by_list_; }  // how many of each list are allowed
    const std::vector<std::uint32_t>& list_sizes() const { return list_sizes_; }
    // The codes of the allowed rows alone, copied at the first call. snapshot: the one this was made from.
    const Packed& packed(const Snapshot& snapshot) const;

private:
    Bitmap allowed_;
    std::vector<std::uint32_t> by_list_, list_sizes_;
    std::uint32_t n_ = 0;
    mutable std::once_flag packed_once_;
    mutable Packed packed_;
};

class Filter {
public:
    using Predicate = bool (*)(std::int64_t id);

    // Id i is allowed if mask[i] is not 0; ids past the end are not.
    static std::unique_ptr<Filter> of_mask(std::span<const std::uint8_t> mask);
    static std::unique_ptr<Filter> of_ids(std::span<const std::int64_t> ids, bool allow);  // or all but these
    static std::unique_ptr<Filter> of_predicate(Predicate allows);
    virtual ~Filter() = default;

    // Remembers the answer for the snapshot it was last asked about.
    std::shared_ptr<const RowFilter> rows(const std::shared_ptr<const Snapshot>& snapshot, unsigned threads) const;

private:
    virtual Bitmap allowed(const Snapshot& snapshot, unsigned threads) const = 0;

    mutable std::mutex mutex_;
    mutable std::weak_ptr<const Snapshot> of_;
    mutable std::shared_ptr<const RowFilter> rows_;
};

}  // namespace fewbits
