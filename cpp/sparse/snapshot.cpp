#include "sparse/snapshot.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.h"
#include "base/row_count.h"

namespace fewbits::sparse {

Segment::Segment(Rows rows, std::vector<std::int64_t> ids)
    : rows_(std::move(rows)), postings_(rows_), ids_(std::move(ids)) {
    require(ids_.size() == rows_.n(), "ids: expected one per row");
    if (!std::is_sorted(ids_.begin(), ids_.end())) {
        by_id_.resize(ids_.size());
        std::iota(by_id_.begin(), by_id_.end(), 0u);
        std::sort(by_id_.begin(), by_id_.end(), [&](std::uint32_t x, std::uint32_t y) { return ids_[x] < ids_[y]; });
    }
    const auto id_at = [&](std::size_t i) { return ids_[by_id_.empty() ? i : by_id_[i]]; };
    for (std::size_t i = 1; i < ids_.size(); ++i)
        if (id_at(i - 1) == id_at(i)) fail("ids: " + std::to_string(id_at(i)) + " is given twice");
}

std::int64_t Segment::row_of(std::int64_t id) const {
    if (by_id_.empty()) {
        const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
        return found != ids_.end() && *found == id ? found - ids_.begin() : -1;
    }
    const auto found = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                                        [&](std::uint32_t row, std::int64_t wanted) { return ids_[row] < wanted; });
    return found != by_id_.end() && ids_[*found] == id ? std::int64_t{*found} : -1;
}

std::size_t Segment::bytes() const {
    std::size_t sum = postings_.bytes() + ids_.size() * sizeof(std::int64_t) + by_id_.size() * sizeof(std::uint32_t);
    for (const auto& [name, array] : rows_.parts().arrays) sum += array.bytes.size();
    return sum;
}

std::size_t Snapshot::segment_of(std::uint32_t row) const {
    return static_cast<std::size_t>(std::upper_bound(first_rows.begin(), first_rows.end(), row) - first_rows.begin())
           - 1;
}

std::int64_t Snapshot::id(std::uint32_t row) const {
    const std::size_t s = segment_of(row);
    return segments[s]->ids()[row - first_rows[s]];
}

std::int64_t Snapshot::row_of(std::int64_t id) const {
    for (std::size_t s = segments.size(); s-- > 0;) {
        const std::int64_t row = segments[s]->row_of(id);
        if (row >= 0 && alive.test(first_rows[s] + static_cast<std::size_t>(row))) return first_rows[s] + row;
    }
    return -1;
}

void Snapshot::append(std::shared_ptr<const Segment> segment, const Bitmap& alive_rows) {
    const std::uint32_t end = row_count(std::uint64_t{first_rows.back()} + segment->n(), "an index");
    n += static_cast<std::uint32_t>(alive_rows.count(0, segment->n()));
    alive.append(alive_rows, 0, segment->n());
    for (const std::int64_t id : segment->ids()) next_id = std::max(next_id, id + 1);
    first_rows.push_back(end);
    segments.push_back(std::move(segment));
}

std::vector<std::int64_t> Snapshot::sorted_ids() const {
    std::vector<std::int64_t> ids;
    for (std::size_t s = 0; s < segments.size(); ++s)
        for (std::uint32_t row = 0; row < segments[s]->n(); ++row)
            if (alive.test(first_rows[s] + row)) ids.push_back(segments[s]->ids()[row]);
    std::sort(ids.begin(), ids.end());
    return ids;
}

}  // namespace fewbits::sparse
