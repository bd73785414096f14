#include "partition/assign.h"

#include "partition/two_level_centroids.h"

namespace fewbits {

void assign(MatrixView x, MatrixView centroids, bool spherical, std::uint32_t* lists, unsigned threads) {
    require(centroids.rows > 0, "centroids: got none, expected at least one");
    if (centroids.cols != x.cols) {
        fail("centroids: got " + std::to_string(centroids.cols) + " dimensions, expected " + std::to_string(x.cols));
    }
    if (centroids.rows < two_level_from) return assign_rows(x, ExactCentroids(centroids, spherical), lists, threads);
    assign_rows(x, TwoLevelCentroids(centroids, spherical, threads), lists, threads);
}

}  // namespace fewbits
