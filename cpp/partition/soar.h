// The second list of a vector, by SOAR ("SOAR: Improved Indexing for Approximate Nearest Neighbor Search", Sun et al.,
// 2023). A query misses the first list of x if its product with the residual r to that centroid is large. So the second
// centroid is the one whose residual r' minimises |r'|^2 + lambda <r', r / |r|>^2: near, with an error that is
// orthogonal to the first one's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"
#include "partition/exact_centroids.h"
#include "partition/partition.h"

namespace fewbits {

// A vector has a second list if |r|^2 is at least `min_gain` times the loss of that list (0: every vector).
struct SpillRule {
    float lambda = 0;
    float min_gain = 0;
};

class SoarSearch {
public:
    static constexpr std::uint32_t none = Partition::no_list;

    // lists: the first list of each row of x.
    SoarSearch(MatrixView x, MatrixView centroids, const std::uint32_t* lists, float lambda);

    // Compares rows (ascending; of x) with candidates; list_of: the list of each candidate.
    void offer(const ExactCentroids& candidates, std::span<const std::uint32_t> list_of,
               std::span<const std::uint32_t> rows);

    // Of row i: the best list offered other than the first (the smaller one on ties), or none; and |r|^2 / its loss.
    std::uint32_t list(std::size_t i) const { return best_[i].list; }
    float gain(std::size_t i) const;

private:
    struct Best {
        std::uint32_t list = none;
        float loss;  // less |x|^2, which all lists have in common
    };
    void compare(std::size_t row, std::span<const float> losses, std::span<const std::uint32_t> list_of);

    MatrixView x_;
    const std::uint32_t* first_;
    float lambda_;
    std::vector<float> directions_;  // r / |r|, or 0
    std::vector<float> along_;       // <x, r / |r|>
    std::vector<float> squared_;     // |r|^2
    std::vector<Best> best_;
};

// The second lists of n rows, as the rule keeps them, and their gains (may be null).
struct SecondLists {
    std::uint32_t* lists;
    float* gains;
};
void keep_second(const SoarSearch& found, std::size_t n, const SpillRule& rule, const SecondLists& out);

// lists: the first list of each row; all centroids are compared.
void second_lists(const ExactCentroids& search, MatrixView x, MatrixView centroids, const std::uint32_t* lists,
                  const SpillRule& rule, const SecondLists& out);

}  // namespace fewbits
