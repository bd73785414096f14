#include "sparse/allowed.h"

#include "base/interrupt.h"

namespace fewbits::sparse {
namespace {

template <class Allows>
Bitmap by_id(const Snapshot& snapshot, std::size_t bytes_per_call, const Allows& allows) {
    Bitmap rows(snapshot.alive.size());
    for (std::size_t s = 0; s < snapshot.segments.size(); ++s)
        snapshot.alive.for_each(snapshot.first_rows[s], snapshot.first_rows[s + 1], [&](std::size_t row) {
            poll(bytes_per_call);
            if (allows(snapshot.segments[s]->ids()[row - snapshot.first_rows[s]])) rows.set(row);
        });
    return rows;
}

}  // namespace

Bitmap allowed_rows(const Snapshot& snapshot, const Filter& filter) {
    const Filter::Given given = filter.given();
    if (given.kind == Filter::Given::Kind::mask)
        return by_id(snapshot, sizeof(std::int64_t), [&](std::int64_t id) {
            return static_cast<std::size_t>(id) < given.mask.size() && given.mask[static_cast<std::size_t>(id)] != 0;
        });
    if (given.kind == Filter::Given::Kind::labels)
        fail("filter: got labels, but the vectors of a sparse index have none; expected a mask, ids or a predicate");
    if (given.kind == Filter::Given::Kind::predicate) return by_id(snapshot, 1 << 14, given.predicate);
    const bool allow = given.kind == Filter::Given::Kind::allowed;
    Bitmap rows = allow ? Bitmap(snapshot.alive.size()) : snapshot.alive;
    for (const std::int64_t id : given.ids) {
        const std::int64_t row = snapshot.row_of(id);
        if (row < 0) continue;
        if (allow)
            rows.set(static_cast<std::size_t>(row));
        else
            rows.clear(static_cast<std::size_t>(row));
    }
    return rows;
}

}  // namespace fewbits::sparse
