// Finds the best centroid without comparing all of them: centroids are grouped by k-means, and a row is compared with
// the members of its best groups. Determined by the centroids alone, so equal centroids always give equal lists.
#pragma once

#include <cstdint>
#include <vector>

#include "partition/exact_centroids.h"
#include "partition/soar.h"

namespace fewbits {

class TwoLevelCentroids {
public:
    TwoLevelCentroids(MatrixView centroids, bool spherical, unsigned threads);

    static constexpr std::size_t batch = 4096;  // large, so that many rows share a group

    // The best centroid in the groups of each of n rows: the largest score, the first on ties.
    void best(const float* x, std::size_t n, std::uint32_t* lists) const;
    // Offers each row the members of its groups.
    void offer(const float* x, std::size_t n, SoarSearch& search) const;

private:
    struct Group {
        std::vector<std::uint32_t> members;  // ascending
        ExactCentroids centroids;
    };
    // groups[i * probes_ + j] for row i.
    void best_groups(const float* x, std::size_t n, std::uint32_t* groups) const;
    // Calls body(group, its rows, ascending) for every group that is among the best of a row.
    template <class Body>
    void for_groups(const float* x, std::size_t n, Body body) const;

    ExactCentroids means_;  // of the groups
    std::vector<Group> groups_;
    std::uint32_t probes_;
};

// The same as for all centroids, among those in the groups of each row.
void second_lists(const TwoLevelCentroids& search, MatrixView x, MatrixView centroids, const std::uint32_t* lists,
                  const SpillRule& rule, const SecondLists& out);

}  // namespace fewbits
