// The best `capacity` hits of a stream in a total order (score descending, then row or id ascending), so that the
// result does not depend on the order of arrival. Scans append to the tail; compact() partitions and raises the
// threshold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "blocks/hit.h"

namespace fewbits {

// The ids by which hits of equal scores are ordered, where their order is not that of rows.
class RowIds {
public:
    virtual ~RowIds() = default;
    virtual std::int64_t id(std::uint32_t row) const = 0;
};

class TopHits {
public:
    // Of equal scores, the smaller id is better (null: the smaller row). Remains in effect after reset. Only hits whose
    // scores are equal cost more.
    void break_ties_by(const RowIds* ids) { ids_ = ids; }

    // min_score: hits below it are not wanted (and not offered).
    void reset(std::size_t capacity, float min_score = -std::numeric_limits<float>::infinity()) {
        capacity_ = capacity;
        count_ = 0;
        threshold_ = min_score;
    }

    // Room for `room` more hits at tail(); added() is called with the number that a scan appended.
    Hit* tail(std::size_t room) {
        if (hits_.size() < count_ + room) hits_.resize(std::max(count_ + room, 2 * capacity_ + room));
        return hits_.data() + count_;
    }
    void added(std::size_t n) {
        count_ += n;
        if (count_ >= 2 * capacity_) compact();
    }
    void push(Hit hit) {
        *tail(1) = hit;
        added(1);
    }

    // A hit below this cannot be among the best.
    float threshold() const noexcept { return threshold_; }

    void compact() {
        if (count_ < capacity_) return;
        const std::size_t offered = std::exchange(count_, capacity_);
        select_best({hits_.data(), offered}, capacity_);
        if (count_ == 0) return;
        const auto worst =
            std::min_element(begin(), at(count_), [](const Hit& x, const Hit& y) { return x.score < y.score; });
        threshold_ = worst->score;
        if (ids_) choose_last(at(offered));
    }

    // The kept hits: in no particular order after compact(), or best first.
    std::span<Hit> kept() {
        compact();
        return {hits_.data(), count_};
    }
    std::span<Hit> sorted() {
        compact();
        std::sort(begin(), at(count_), BetterHit{});
        if (ids_) {
            for (auto first = begin(), last = first; first != at(count_); first = last) {
                last = std::find_if(first, at(count_), [&](const Hit& hit) { return hit.score != first->score; });
                if (last - first > 1) order_by_id(first, last, last);
            }
        }
        return {hits_.data(), count_};
    }

private:
    using Place = std::vector<Hit>::iterator;

    Place begin() { return hits_.begin(); }
    Place at(std::size_t i) { return begin() + static_cast<std::ptrdiff_t>(i); }

    // Of all hits with the score of the last place, keeps those with the smallest ids. end: of the hits that
    // select_best has divided.
    void choose_last(Place end) {
        const float score = threshold_;
        const auto last = std::partition(at(count_), end, [&](const Hit& hit) { return hit.score == score; });
        if (last == at(count_)) return;
        const auto first = std::partition(begin(), at(count_), [&](const Hit& hit) { return hit.score > score; });
        order_by_id(first, at(count_), last);
    }

    // The smallest ids of first..last, ascending, at first..end.
    void order_by_id(Place first, Place end, Place last) {
        std::vector<std::pair<std::int64_t, Hit>> tied;
        tied.reserve(static_cast<std::size_t>(last - first));
        for (auto hit = first; hit != last; ++hit) tied.emplace_back(ids_->id(hit->row), *hit);
        const auto smaller = [](const auto& x, const auto& y) { return x.first < y.first; };
        const auto wanted = tied.begin() + (end - first);
        if (end != last) std::nth_element(tied.begin(), wanted, tied.end(), smaller);
        std::sort(tied.begin(), wanted, smaller);
        std::transform(tied.begin(), tied.end(), first, [](const auto& pair) { return pair.second; });
    }

    std::vector<Hit> hits_;
    std::size_t capacity_ = 0;
    std::size_t count_ = 0;
    const RowIds* ids_ = nullptr;
    float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace fewbits
