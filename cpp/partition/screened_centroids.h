// The best of few centroids for one query. 8-bit codes rule out those that cannot be among them, whatever the query,
// and the others are compared as ExactCentroids does: same centroids, same scores, in less time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "partition/best_scores.h"
#include "partition/byte_codes.h"

namespace fewbits {

// Whether codes save time when a query asks for `wanted` of them.
bool is_worth_screening(std::size_t nlist, std::size_t dim, std::size_t wanted);

class ScreenedCentroids {
public:
    // centroids: remain where they are. terms: as in ExactCentroids.
    ScreenedCentroids(MatrixView centroids, bool spherical, const std::vector<float>& terms);

    // Offers a query's best centroids with their scores. False, and nothing is offered, if too many may be among them.
    bool offer(const float* query, std::uint32_t wanted, BestScores& best) const;

private:
    struct Search;
    bool find_candidates(const float* query, std::uint32_t wanted, Search& search) const;
    float rounding(float query_length) const;
    void score(const float* query, Search& search) const;

    bool spherical_;
    std::vector<float> units_;  // spherical: the directions of centroids
    MatrixView compared_;       // these, or the centroids
    const std::vector<float>& terms_;
    std::vector<float> center_;  // the mean of `compared_`, from which codes are differences
    std::vector<float> code_terms_;
    ByteCodes codes_;
    float longest_ = 0;  // of `compared_`
};

}  // namespace fewbits
