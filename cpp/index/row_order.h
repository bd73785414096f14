// The order of hits of equal scores in an index: by id, so that it does not depend on segments or on the order of
// adding.
#pragma once

#include <cstdint>

#include "blocks/top_k.h"
#include "index/snapshot.h"

namespace fewbits {

class RowOrder : public RowIds {
public:
    explicit RowOrder(const Snapshot& snapshot) : snapshot_(snapshot), ascending_(true) {
        std::int64_t next = 0;
        for (const auto& segment : snapshot.segments) {
            ascending_ = ascending_ && segment->counts_ids() && segment->first_id() >= next;
            next = segment->first_id() + segment->n();
        }
    }
    std::int64_t id(std::uint32_t row) const override { return snapshot_.id(row); }
    // For TopHits::break_ties_by: null if rows are in the order of their ids.
    const RowIds* ids() const { return ascending_ ? nullptr : this; }

private:
    const Snapshot& snapshot_;
    bool ascending_;
};

}  // namespace fewbits
