#include "partition/assign.h"

#include "partition/two_level_centroids.h"

namespace fewbits {

namespace {

void check(MatrixView x, MatrixView centroids) {
    require(centroids.rows > 0, "centroids: got none, expected at least one");
    if (centroids.cols != x.cols) {
        fail("centroids: got " + std::to_string(centroids.cols) + " dimensions, expected " + std::to_string(x.cols));
    }
}

}  // namespace

void assign(MatrixView x, MatrixView centroids, bool spherical, std::uint32_t* lists, unsigned threads) {
    check(x, centroids);
    if (centroids.rows < two_level_from) return assign_rows(x, ExactCentroids(centroids, spherical), lists, threads);
    assign_rows(x, TwoLevelCentroids(centroids, spherical, threads), lists, threads);
}

void assign_second(MatrixView x, MatrixView centroids, bool spherical, const std::uint32_t* lists,
                   const SpillRule& rule, const SecondLists& out, unsigned threads) {
    check(x, centroids);
    if (centroids.rows < two_level_from)
        return assign_second_rows(x, ExactCentroids(centroids, spherical), centroids, lists, rule, out, threads);
    assign_second_rows(x, TwoLevelCentroids(centroids, spherical, threads), centroids, lists, rule, out, threads);
}

}  // namespace fewbits
