#include "multivector/stopping.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace fewbits {

Stopping::Stopping(std::size_t k, float min_score, float margin) : k_(k), margin_(margin), best_(k, min_score) {}

void Stopping::ranked(float estimate, float score) {
    const double error = double{score} - double{estimate};
    const double before = error - mean_;
    mean_ += before / static_cast<double>(++n_);
    squares_ += before * (error - mean_);
    if (score <= best_.front()) return;
    std::pop_heap(best_.begin(), best_.end(), std::greater<>());
    best_.back() = score;
    std::push_heap(best_.begin(), best_.end(), std::greater<>());
}

bool Stopping::can_stop(float estimate) const {
    if (n_ < std::max(k_, least_ranked)) return false;
    const double deviation = std::sqrt(squares_ / static_cast<double>(n_));
    return double{estimate} + mean_ + margin_ * deviation < double{best_.front()};
}

}  // namespace fewbits
