#include "index/filter.h"

#include <algorithm>
#include <vector>

#include "base/interrupt.h"

namespace fewbits {
namespace {

// Calls `allows` with the ids of all rows that are alive.
template <class Allows>
RowFilter::Ask by_id(Allows allows) {
    return [allows](const Snapshot& snapshot, std::size_t s, std::uint32_t first, std::uint32_t n, Bitmap& allowed,
                    std::size_t at) {
        for (std::uint32_t i = 0; i < n; ++i)
            if (snapshot.is_alive(snapshot.first_rows[s] + first + i) && allows(snapshot.segments[s]->id(first + i)))
                allowed.set(at + i);
    };
}

class Mask : public Filter {
public:
    explicit Mask(std::span<const std::uint8_t> mask) : mask_(mask.begin(), mask.end()) {}
    Given given() const override { return {mask_, {}, Given::Kind::mask}; }

private:
    RowFilter::Ask asks(const Snapshot&) const override {
        return by_id([mask = std::span(mask_)](std::int64_t id) {
            return static_cast<std::size_t>(id) < mask.size() && mask[static_cast<std::size_t>(id)] != 0;
        });
    }
    std::vector<std::uint8_t> mask_;
};

class Ids : public Filter {
public:
    Ids(std::span<const std::int64_t> ids, bool allow) : ids_(ids.begin(), ids.end()), allow_(allow) {}
    Given given() const override { return {{}, ids_, allow_ ? Given::Kind::allowed : Given::Kind::denied}; }

private:
    RowFilter::Ask asks(const Snapshot& snapshot) const override {
        std::vector<std::uint32_t> rows;
        for (const std::int64_t id : ids_)
            if (const std::int64_t row = snapshot.row_of(id); row >= 0) rows.push_back(static_cast<std::uint32_t>(row));
        std::sort(rows.begin(), rows.end());
        return [rows = std::move(rows), allow = allow_](const Snapshot& of, std::size_t s, std::uint32_t in_segment,
                                                        std::uint32_t n, Bitmap& allowed, std::size_t at) {
            const std::uint32_t first = of.first_rows[s] + in_segment;
            for (std::uint32_t i = 0; i < n && !allow; ++i)
                if (of.is_alive(first + i)) allowed.set(at + i);
            auto row = std::lower_bound(rows.begin(), rows.end(), first);
            for (; row != rows.end() && *row < first + n; ++row) {
                if (allow)
                    allowed.set(at + (*row - first));
                else
                    allowed.clear(at + (*row - first));
            }
        };
    }
    std::vector<std::int64_t> ids_;
    bool allow_;
};

class Labels : public Filter {
public:
    explicit Labels(std::span<const std::int64_t> labels) : labels_(labels.begin(), labels.end()) {
        std::sort(labels_.begin(), labels_.end());
        labels_.erase(std::unique(labels_.begin(), labels_.end()), labels_.end());
    }
    Given given() const override { return {{}, labels_, Given::Kind::labels}; }

private:
    RowFilter::Ask asks(const Snapshot& snapshot) const override {
        if (!snapshot.segments.empty() && !snapshot.has_labels())
            fail("filter: got labels, but the vectors of this index have none (labels= of build and add)");
        return [labels = std::span<const std::int64_t>(labels_)](const Snapshot& of, std::size_t s, std::uint32_t first,
                                                                 std::uint32_t n, Bitmap& allowed, std::size_t at) {
            const std::uint32_t before = of.first_rows[s];
            of.segments[s]->labels()->each_of(labels, first, first + n, [&](std::uint32_t begin, std::uint32_t end) {
                const std::size_t to = at + (begin - first);
                if (of.alive.size() == 0)
                    allowed.set(to, to + (end - begin));
                else
                    allowed.set_from(of.alive, before + begin, before + end, to);
            });
        };
    }
    std::optional<std::size_t> allowed_in_sample(const Snapshot& snapshot) const override {
        const auto& sampled = snapshot.sampled_labels();
        const auto is_allowed = [&](std::int64_t label) {
            return std::binary_search(labels_.begin(), labels_.end(), label);
        };
        return static_cast<std::size_t>(std::count_if(sampled.begin(), sampled.end(), is_allowed));
    }
    std::vector<std::int64_t> labels_;
};

class ByPredicate : public Filter {
public:
    explicit ByPredicate(Predicate allows) : allows_(allows) {}
    Given given() const override { return {{}, {}, Given::Kind::predicate, allows_}; }

private:
    RowFilter::Ask asks(const Snapshot&) const override {
        return by_id([allows = allows_](std::int64_t id) {
            poll(bytes_a_call);
            return allows(id);
        });
    }
    static constexpr std::size_t bytes_a_call = 1 << 14;  // counted per call, as the cost of the predicate is unknown
    Predicate allows_;
};

}  // namespace

std::unique_ptr<Filter> Filter::of_mask(std::span<const std::uint8_t> mask) {
    return std::make_unique<Mask>(mask);
}
std::unique_ptr<Filter> Filter::of_ids(std::span<const std::int64_t> ids, bool allow) {
    return std::make_unique<Ids>(ids, allow);
}
std::unique_ptr<Filter> Filter::of_labels(std::span<const std::int64_t> labels) {
    return std::make_unique<Labels>(labels);
}
std::unique_ptr<Filter> Filter::of_predicate(Predicate allows) {
    return std::make_unique<ByPredicate>(allows);
}

std::shared_ptr<const RowFilter> Filter::rows(const std::shared_ptr<const Snapshot>& snapshot, unsigned threads) const {
    const auto lock = mutex_.lock();
    const UnderLock held;
    if (!rows_ || of_.lock() != snapshot) {
        RowFilter::Ask ask = asks(*snapshot);  // throws if the snapshot has nothing to ask for
        rows_ = std::make_shared<const RowFilter>(*snapshot, std::move(ask), allowed_in_sample(*snapshot), threads);
        of_ = snapshot;
    }
    return rows_;
}

}  // namespace fewbits
