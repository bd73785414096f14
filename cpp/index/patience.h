// When a query that reads its lists in rounds stops: after a number of lists without a new one among its k best.
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

class Patience {
public:
    // Lists per round: a quarter of the patience, so that a query reads few lists in vain, and a batch shares scans.
    static std::size_t round(std::uint32_t patience) { return (std::size_t{patience} + 3) / 4; }

    // After a round of `lists` lists; best: the k best so far, or all found if these are fewer than `wanted`.
    void read(std::size_t lists, std::span<const Hit> best, std::size_t wanted) {
        std::vector<std::uint32_t> rows;
        floor_ = best.size() < wanted ? lowest : std::numeric_limits<float>::infinity();
        for (const Hit& hit : best) {
            rows.push_back(hit.row);
            floor_ = std::min(floor_, hit.score);
        }
        std::sort(rows.begin(), rows.end());
        const bool news = rows.size() < wanted || !std::includes(best_.begin(), best_.end(), rows.begin(), rows.end());
        in_vain_ = news ? 0 : in_vain_ + lists;
        best_ = std::move(rows);
    }
    // The score of the last of the k best, if there are so many.
    float floor() const { return floor_; }
    bool ends(std::uint32_t patience) const { return in_vain_ >= patience; }

private:
    static constexpr float lowest = -std::numeric_limits<float>::infinity();

    std::vector<std::uint32_t> best_;
    float floor_ = lowest;
    std::size_t in_vain_ = 0;
};

}  // namespace fewbits
