// Hits of the first stage of staged codes, which promise a score, until they are scored in full. The most promising are
// scored at once, so that the threshold rises early; the others wait until the scan has ended, and most of them are
// then below the threshold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "blocks/hit.h"

namespace fewbits {

class Promises {
public:
    // Hits in one chunk of codes by a (query, list) pair.
    struct Group {
        std::uint32_t chunk, pair;
        std::span<const Hit> hits;
    };

    // at_once: how many of the most promising do not wait.
    void reset(std::size_t at_once) { at_once_ = at_once; }

    // Returns the hits that are among the most promising so far, as the first `count` of `hits`. Keeps the others.
    std::size_t add(std::span<Hit> hits, std::uint32_t chunk, std::uint32_t pair) {
        for (const Hit& hit : hits)
            if (hit.score > bar()) raise_bar(hit.score);
        const float least = bar();
        const std::size_t waited = waiting_.size();
        std::size_t count = 0;
        for (const Hit& hit : hits) {
            if (hit.score >= least)
                hits[count++] = hit;
            else
                waiting_.push_back(hit);
        }
        if (waiting_.size() > waited) ends_.push_back({chunk, pair, waiting_.size()});
        return count;
    }

    std::size_t waiting() const { return waiting_.size(); }

    // Calls take(group) for the hits that wait, in the order of their chunks, and forgets them.
    template <class Take>
    void each_waiting(const Take& take) {
        std::size_t begin = 0;
        for (const End& end : ends_) {
            take(Group{end.chunk, end.pair, std::span(waiting_).subspan(begin, end.at - begin)});
            begin = end.at;
        }
        waiting_.clear();
        ends_.clear();
    }

private:
    struct End {
        std::uint32_t chunk, pair;
        std::size_t at;  // in waiting_: the end of a group
    };

    float bar() const { return best_.size() < at_once_ ? -std::numeric_limits<float>::infinity() : best_.front(); }
    void raise_bar(float score) {
        if (best_.size() == at_once_) {
            std::pop_heap(best_.begin(), best_.end(), std::greater{});
            best_.pop_back();
        }
        best_.push_back(score);
        std::push_heap(best_.begin(), best_.end(), std::greater{});
    }

    std::size_t at_once_ = 1;
    std::vector<float> best_;  // promises: a heap with the least one first
    std::vector<Hit> waiting_;
    std::vector<End> ends_;
};

}  // namespace fewbits
