// k-means: Lloyd's iterations over a sample, counter-based seeding, no empty clusters, bounded iterations. Centroids
// are the same for any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "base/parallel.h"

namespace fewbits {

struct KMeansOptions {
    std::uint32_t k = 0;
    std::uint32_t iterations = 10;
    bool spherical = false;  // assign by cosine; centroids are still the means of their members
    std::uint64_t seed = 0;
    unsigned threads = 0;
    MatrixView initial{};  // kmeans only: k x d initial centroids; by default points drawn by the seed
};

// Throws unless k is 1..2^24 and x has 1..2^32 - 2 rows of at least one dimension.
void check_kmeans(MatrixView x, const KMeansOptions& options);

// k x d centroids (means, not normalised). If there are fewer points than k, the points, repeated.
std::vector<float> kmeans(MatrixView x, const KMeansOptions& options, const Progress& progress = {});

// The same for large k (nlist) in sub-quadratic time: clusters of clusters, refined. Worthwhile if an iteration of
// kmeans would take seconds; kmeans_auto decides by that.
std::vector<float> kmeans_hierarchical(MatrixView x, const KMeansOptions& options, const Progress& progress = {});
std::vector<float> kmeans_auto(MatrixView x, const KMeansOptions& options, const Progress& progress = {});

}  // namespace fewbits
