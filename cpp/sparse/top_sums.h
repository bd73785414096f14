// The best k sums of a stream, in the total order (sum descending, row ascending).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace fewbits::sparse {

class TopSums {
public:
    TopSums(std::size_t k, std::uint64_t min_sum) : k_(k), threshold_(std::max<std::uint64_t>(min_sum, 1)) {}

    std::size_t k() const { return k_; }
    // A smaller sum cannot be among the best.
    std::uint64_t threshold() const { return threshold_; }
    void push(std::uint32_t sum, std::uint32_t row) {
        if (sum < threshold_) return;
        keys_.push_back(std::uint64_t{sum} << 32 | (0xffffffffu - row));
        if (keys_.size() >= 2 * k_) select();
    }
    // Raises the threshold as far as what was pushed allows.
    void select() {
        if (keys_.size() < k_ || k_ == 0) return;
        std::nth_element(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(k_ - 1), keys_.end(),
                         std::greater{});
        keys_.resize(k_);
        threshold_ = std::max(threshold_, keys_[k_ - 1] >> 32);
    }
    // k rows are known to have at least this sum.
    void raise(std::uint64_t threshold) { threshold_ = std::max(threshold_, threshold); }
    std::span<const std::uint64_t> sorted() {
        select();
        std::sort(keys_.begin(), keys_.end(), std::greater{});
        return std::span(keys_).first(std::min(k_, keys_.size()));
    }
    static std::uint32_t sum(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32); }
    static std::uint32_t row(std::uint64_t key) { return 0xffffffffu - static_cast<std::uint32_t>(key); }

private:
    std::size_t k_;
    std::uint64_t threshold_;
    std::vector<std::uint64_t> keys_;
};

}  // namespace fewbits::sparse
