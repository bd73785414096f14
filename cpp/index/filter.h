// Which vectors a search may return, as a mask, ids, labels or a predicate of ids. RowFilter is the filter evaluated
// for rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/locks.h"
#include "index/row_filter.h"
#include "index/snapshot.h"

namespace fewbits {

class Filter {
public:
    using Predicate = bool (*)(std::int64_t id);

    // Id i is allowed if mask[i] is not 0; ids past the end are not allowed.
    static std::unique_ptr<Filter> of_mask(std::span<const std::uint8_t> mask);
    static std::unique_ptr<Filter> of_ids(std::span<const std::int64_t> ids, bool allow);  // these, or all others
    // Vectors with any of these labels. Throws in a search of an index whose vectors have none.
    static std::unique_ptr<Filter> of_labels(std::span<const std::int64_t> labels);
    static std::unique_ptr<Filter> of_predicate(Predicate allows);
    virtual ~Filter() = default;

    // What an equal filter can be made from. A predicate is code of this process.
    struct Given {
        std::span<const std::uint8_t> mask;
        std::span<const std::int64_t> ids;  // or labels
        enum class Kind { mask, allowed, denied, labels, predicate } kind;
        Predicate predicate = nullptr;
    };
    virtual Given given() const = 0;

    // Cached for the last snapshot. The result must not be used after the filter is destroyed.
    std::shared_ptr<const RowFilter> rows(const std::shared_ptr<const Snapshot>& snapshot, unsigned threads) const;

private:
    virtual RowFilter::Ask asks(const Snapshot& snapshot) const = 0;
    // How many rows of a RowSample are allowed, where that is known without asking.
    virtual std::optional<std::size_t> allowed_in_sample(const Snapshot&) const { return {}; }

    mutable ForkMutex mutex_;
    mutable std::weak_ptr<const Snapshot> of_;
    mutable std::shared_ptr<const RowFilter> rows_;
};

}  // namespace fewbits
