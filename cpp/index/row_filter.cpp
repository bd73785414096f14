#include "index/row_filter.h"

#include <algorithm>
#include <utility>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "index/row_sample.h"

namespace fewbits {
namespace {

constexpr std::size_t task_rows = 1 << 16;  // a multiple of 64, so that no two workers write the same word

std::size_t asked_in_sample(const Snapshot& snapshot, const RowFilter::Ask& ask) {
    const RowSample sample(snapshot.rows());
    Bitmap allowed(sample.size());
    for (std::uint32_t i = 0; i < sample.size(); ++i) {
        const std::uint32_t row = sample[i];
        const std::size_t s = snapshot.segment_of(row);
        ask(snapshot, s, row - snapshot.first_rows[s], 1, allowed, i);
    }
    return allowed.count(0, sample.size());
}

}  // namespace

RowFilter::RowFilter(const Snapshot& snapshot, Ask ask, std::optional<std::size_t> in_sample, unsigned threads)
    : ask_(std::move(ask)),
      in_ranges_(in_sample.has_value()),
      lists_(std::make_unique<Lazy<List>[]>(snapshot.model->partition->nlist())) {
    const std::size_t allowed = in_sample ? *in_sample : asked_in_sample(snapshot, ask_);
    expected_ = static_cast<double>(allowed) * snapshot.rows() / std::max(RowSample(snapshot.rows()).size(), 1u);
    if (snapshot.model->partition->nlist() == 1) lists_[0].get([&] { return answer(snapshot, 0, threads); });
}

RowFilter::List RowFilter::answer(const Snapshot& snapshot, std::uint32_t list, unsigned threads) const {
    std::size_t n = 0;
    for (const auto& segment : snapshot.segments) n += segment->list_size(list);
    Bitmap allowed(n);
    const std::size_t tasks = (n + task_rows - 1) / task_rows;
    parallel_for(tasks, tasks > 4 ? threads : 1, [&](std::size_t task, unsigned) {
        const std::size_t begin = task * task_rows, end = std::min(n, begin + task_rows);
        std::size_t first = 0;
        for (std::size_t s = 0; s < snapshot.segments.size(); ++s) {
            const std::size_t size = snapshot.segments[s]->list_size(list);
            const std::size_t low = std::max(begin, first), high = std::min(end, first + size);
            const std::size_t row = snapshot.segments[s]->first_row(list);
            if (low < high)
                ask_(snapshot, s, static_cast<std::uint32_t>(row + low - first), static_cast<std::uint32_t>(high - low),
                     allowed, low);
            first += size;
        }
    });
    const auto n_allowed = static_cast<std::uint32_t>(allowed.count(0, n));
    return {std::move(allowed), n_allowed};
}

const RowFilter::List& RowFilter::list(const Snapshot& snapshot, std::uint32_t list) const {
    return lists_[list].get([&] { return answer(snapshot, list, 1); });
}

bool RowFilter::allows(const Snapshot& snapshot, std::size_t segment, std::uint32_t list, std::uint32_t row) const {
    Bitmap allowed(1);
    const List* known = lists_[list].made();
    if (!known) {
        ask_(snapshot, segment, row, 1, allowed, 0);
        return allowed.test(0);
    }
    std::size_t place = row - snapshot.segments[segment]->first_row(list);
    for (std::size_t s = 0; s < segment; ++s) place += snapshot.segments[s]->list_size(list);
    return known->allowed.test(place);
}

PackedCodes RowFilter::pack_all(const Snapshot& snapshot, bool join, unsigned threads) const {
    const std::uint32_t nlist = snapshot.model->partition->nlist();
    parallel_for(nlist, snapshot.rows() > 4 * task_rows ? threads : 1,
                 [&](std::size_t l, unsigned) { (void)list(snapshot, static_cast<std::uint32_t>(l)); });
    Bitmap rows;
    for (std::vector<std::size_t> taken(nlist); const auto& segment : snapshot.segments)
        for (std::uint32_t l = 0; l < nlist; ++l) {
            const std::size_t first = taken[l];
            rows.append(lists_[l].made()->allowed, first, taken[l] += segment->list_size(l));
        }
    return pack(snapshot, rows, join);
}

const PackedCodes& RowFilter::joined(const Snapshot& snapshot, unsigned threads) const {
    return joined_.get([&] { return pack_all(snapshot, true, threads); });
}

const PackedCodes& RowFilter::by_list(const Snapshot& snapshot, unsigned threads) const {
    return by_list_.get([&] { return pack_all(snapshot, false, threads); });
}

}  // namespace fewbits
