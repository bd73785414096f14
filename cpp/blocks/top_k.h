// The best `capacity` hits of a stream in the total order (score descending, row ascending), so that the result does
// not depend on the order of arrival. Scans append to the tail; compact() partitions and raises the threshold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "blocks/hit.h"

namespace fewbits {

class TopHits {
public:
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
        select_best({hits_.data(), count_}, capacity_);
        count_ = capacity_;
        if (count_ == 0) return;
        const auto worst = std::min_element(begin(), begin() + static_cast<std::ptrdiff_t>(count_),
                                            [](const Hit& x, const Hit& y) { return x.score < y.score; });
        threshold_ = worst->score;
    }

    // The kept hits: in no particular order after compact(), or best first.
    std::span<Hit> kept() {
        compact();
        return {hits_.data(), count_};
    }
    std::span<Hit> sorted() {
        compact();
        std::sort(begin(), begin() + static_cast<std::ptrdiff_t>(count_), BetterHit{});
        return {hits_.data(), count_};
    }

private:
    std::vector<Hit>::iterator begin() { return hits_.begin(); }

    std::vector<Hit> hits_;
    std::size_t capacity_ = 0;
    std::size_t count_ = 0;
    float threshold_ = -std::numeric_limits<float>::infinity();
};

}  // namespace fewbits
