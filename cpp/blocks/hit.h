// The order of hits (score descending, row ascending), and selection of the best ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "kernels/kernels.h"

namespace fewbits {

using kernels::Hit;

// Branch-free: which of two hits is better is unpredictable.
struct BetterHit {
    bool operator()(const Hit& x, const Hit& y) const noexcept {
        return ((x.score > y.score) | ((x.score == y.score) & (x.row < y.row))) != 0;
    }
};

namespace detail {

inline const Hit& middle_of(const Hit& x, const Hit& y, const Hit& z) noexcept {
    const BetterHit better;
    if (better(x, y)) return better(y, z) ? y : better(x, z) ? z : x;
    return better(x, z) ? x : better(y, z) ? z : y;
}

// Moves the hits better than the pivot to the front and the pivot behind them; returns their number. (Lomuto partition:
// two moves and no branch per hit.)
inline std::size_t part(std::span<Hit> hits) noexcept {
    const std::size_t last = hits.size() - 1;
    const Hit* pivot = &middle_of(hits[0], hits[last / 2], hits[last]);
    std::swap(hits[static_cast<std::size_t>(pivot - hits.data())], hits[last]);
    const Hit middle = hits[last];
    std::size_t better = 0;
    for (std::size_t i = 0; i < last; ++i) {
        const Hit hit = hits[i];
        hits[i] = hits[better];
        hits[better] = hit;
        better += BetterHit{}(hit, middle);
    }
    std::swap(hits[better], hits[last]);
    return better;
}

}  // namespace detail

// Moves the `count` best to the front, in no particular order. No score is NaN.
inline void select_best(std::span<Hit> hits, std::size_t count) noexcept {
    constexpr std::size_t few = 16;
    for (int rounds = 0; hits.size() > few && count > 0 && count < hits.size(); ++rounds) {
        if (rounds == 32) break;  // adversarial pivots
        const std::size_t better = detail::part(hits);
        if (better == count || better + 1 == count) return;
        if (count < better)
            hits = hits.first(better);
        else {
            hits = hits.subspan(better + 1);
            count -= better + 1;
        }
    }
    if (count < hits.size())
        std::nth_element(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(count), hits.end(), BetterHit{});
}

}  // namespace fewbits
