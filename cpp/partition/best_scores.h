// Selects the best of many scores: TopHits with an initial threshold, if selection would cost more than scoring.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "blocks/top_k.h"

namespace fewbits {

class BestScores {
public:
    void reset(std::size_t capacity) {
        capacity_ = capacity;
        top_.reset(capacity);
    }

    // Offers scores of rows first, first + 1, ... NaN (from infinities in a product) ranks last, so that the n best are
    // always n rows.
    void offer(std::uint32_t first, std::span<const float> scores) {
        const float floor = top_.threshold() == lowest ? bound(scores) : lowest;
        float threshold = std::max(floor, top_.threshold());
        for (std::uint32_t i = 0; i < scores.size(); ++i) {
            const float score = scores[i];
            if (score < threshold) continue;
            top_.push({first + i, score == score ? score : lowest});
            threshold = std::max(floor, top_.threshold());
        }
    }

    float threshold() const { return top_.threshold(); }
    std::span<Hit> kept() { return top_.kept(); }
    std::span<Hit> sorted() { return top_.sorted(); }

private:
    static constexpr float lowest = -std::numeric_limits<float>::infinity();

    // The capacity-th largest of the maxima of 2 * capacity strips. At least `capacity` scores are as large, so smaller
    // ones are not among the best.
    float bound(std::span<const float> scores) {
        const std::size_t strips = 2 * capacity_;
        if (capacity_ == 0 || scores.size() < 2 * strips) return lowest;
        maxima_.assign(strips, lowest);
        float* maxima = maxima_.data();
        for (std::size_t at = 0; at + strips <= scores.size(); at += strips)
            for (std::size_t s = 0; s < strips; ++s)
                maxima[s] = scores[at + s] > maxima[s] ? scores[at + s] : maxima[s];
        const auto place = maxima_.begin() + static_cast<std::ptrdiff_t>(capacity_ - 1);
        std::nth_element(maxima_.begin(), place, maxima_.end(), std::greater<>{});
        return *place;
    }

    TopHits top_;
    std::vector<float> maxima_;
    std::size_t capacity_ = 0;
};

}  // namespace fewbits
