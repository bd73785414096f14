#include "index/filter.h"

#include <algorithm>

#include "core/parallel.h"

namespace fewbits {
namespace {

constexpr std::size_t task_rows = 1 << 16;  // a multiple of 64: no two workers write one word

// The rows alive whose ids `allows`, asked in parallel.
template <class Allows>
Bitmap rows_where(const Snapshot& snapshot, unsigned threads, Allows allows) {
    Bitmap rows(snapshot.rows(), false);
    const std::size_t tasks = (rows.size() + task_rows - 1) / task_rows;
    parallel_for(tasks, tasks > 4 ? threads : 1, [&](std::size_t task, unsigned) {
        const std::size_t end = std::min(rows.size(), (task + 1) * task_rows);
        auto row = static_cast<std::uint32_t>(task * task_rows);
        for (std::size_t s = snapshot.segment_of(row); row < end; ++s) {
            const std::uint32_t first = snapshot.first_rows[s];
            const auto last = static_cast<std::uint32_t>(std::min<std::size_t>(end, snapshot.first_rows[s + 1]));
            for (; row < last; ++row)
                if (snapshot.is_alive(row) && allows(snapshot.segments[s]->id(row - first))) rows.set(row);
        }
    });
    return rows;
}

class Mask : public Filter {
public:
    explicit Mask(std::span<const std::uint8_t> mask) : mask_(mask.begin(), mask.end()) {}

private:
    Bitmap allowed(const Snapshot& snapshot, unsigned threads) const override {
        return rows_where(snapshot, threads, [&](std::int64_t id) {
            return static_cast<std::size_t>(id) < mask_.size() && mask_[static_cast<std::size_t>(id)] != 0;
        });
    }
    std::vector<std::uint8_t> mask_;
};

class Ids : public Filter {
public:
    Ids(std::span<const std::int64_t> ids, bool allow) : ids_(ids.begin(), ids.end()), allow_(allow) {}

private:
    Bitmap allowed(const Snapshot& snapshot, unsigned) const override {
        Bitmap rows = allow_ ? Bitmap(snapshot.rows(), false) : snapshot.alive_rows();
        for (const std::int64_t id : ids_) {
            const std::int64_t row = snapshot.row_of(id);
            if (row < 0) continue;
            if (allow_)
                rows.set(static_cast<std::size_t>(row));
            else
                rows.clear(static_cast<std::size_t>(row));
        }
        return rows;
    }
    std::vector<std::int64_t> ids_;
    bool allow_;
};

class Where : public Filter {
public:
    explicit Where(Predicate allows) : allows_(allows) {}

private:
    Bitmap allowed(const Snapshot& snapshot, unsigned threads) const override {
        return rows_where(snapshot, threads, allows_);
    }
    Predicate allows_;
};

}  // namespace

RowFilter::RowFilter(const Snapshot& snapshot, Bitmap allowed)
    : allowed_(std::move(allowed)), by_list_(snapshot.model->partition->nlist()), list_sizes_(by_list_.size()) {
    for (std::size_t s = 0; s < snapshot.segments.size(); ++s)
        for (std::uint32_t list = 0; list < by_list_.size(); ++list) {
            const std::size_t first = snapshot.first_rows[s] + snapshot.segments[s]->first_row(list);
            const std::size_t count = allowed_.count(first, first + snapshot.segments[s]->list_size(list));
            by_list_[list] += static_cast<std::uint32_t>(count);
            list_sizes_[list] += snapshot.segments[s]->list_size(list);
            n_ += static_cast<std::uint32_t>(count);
        }
}

const Packed& RowFilter::packed(const Snapshot& snapshot) const {
    std::call_once(packed_once_, [&] { packed_ = pack(snapshot, allowed_); });
    return packed_;
}

std::unique_ptr<Filter> Filter::of_mask(std::span<const std::uint8_t> mask) {
    return std::make_unique<Mask>(mask);
}
std::unique_ptr<Filter> Filter::of_ids(std::span<const std::int64_t> ids, bool allow) {
    return std::make_unique<Ids>(ids, allow);
}
std::unique_ptr<Filter> Filter::of_predicate(Predicate allows) {
    return std::make_unique<Where>(allows);
}

std::shared_ptr<const RowFilter> Filter::rows(const std::shared_ptr<const Snapshot>& snapshot, unsigned threads) const {
    const std::lock_guard lock(mutex_);
    if (!rows_ || of_.lock() != snapshot) {
        rows_ = std::make_shared<const RowFilter>(*snapshot, allowed(*snapshot, threads));
        of_ = snapshot;
    }
    return rows_;
}

}  // namespace fewbits
