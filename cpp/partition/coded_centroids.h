// The best of many centroids for a query, without reading them all: the signs of their coordinates, after a random
// rotation, choose candidates; 8-bit codes choose the best of these, and floats rank them. Only few are missed, as
// about ten times as many candidates are taken as centroids are wanted. Codes are of differences from the mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/large_pages.h"
#include "base/matrix.h"
#include "blocks/hit.h"
#include "partition/byte_codes.h"
#include "transform/transform.h"

namespace fewbits {

// Whether codes are worth making: then reading all centroids takes far longer.
bool is_worth_coding(std::size_t nlist, std::size_t dim);

class CodedCentroids {
public:
    // centroids: remain where they are. terms: as in ExactCentroids, by which scores are defined, but products are sums
    // in another order.
    CodedCentroids(MatrixView centroids, bool spherical, const std::vector<float>& terms);

    // scores[i * k + c], for all centroids.
    void scores(MatrixView queries, float* scores) const;
    // The `wanted` best of each query, best first (ties: smaller number first): best[i * wanted + j].
    void nearest(MatrixView queries, std::uint32_t wanted, Hit* best) const;

private:
    struct Search;
    void encode(std::size_t first, std::size_t count, std::vector<float>& rows);
    bool prepare(const float* query, Search& search) const;
    bool find_candidates(std::size_t wanted, Search& search) const;
    void keep_best(std::size_t wanted, Search& search) const;
    std::size_t scan_signs(const Search& search, std::size_t first, std::size_t count, float threshold,
                           Hit* hits) const;
    void score(const float* query, const std::uint32_t* rows, std::size_t n, float* scores) const;

    bool spherical_;
    LargeVector<float> units_;  // spherical: the directions of centroids
    MatrixView compared_;       // these, or the centroids
    const std::vector<float>& terms_;
    std::vector<float> center_;  // the mean of `compared_`
    std::shared_ptr<const Transform> rotation_;
    std::vector<std::uint32_t> order_;  // the centroid of each code: random, so that the first ones stand for all
    LargeVector<std::uint8_t> signs_;   // of four coordinates in 4 bits, in blocks
    ByteCodes bytes_;
    std::vector<float> sign_scales_, code_terms_;  // code_terms_: under l2
};

}  // namespace fewbits
