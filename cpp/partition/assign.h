// The lists of many rows, in fixed blocks on all threads: every row's list depends on that row and the centroids alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/matrix.h"
#include "base/parallel.h"

namespace fewbits {

// From this many centroids on, rows are assigned through groups of centroids (TwoLevelCentroids).
inline constexpr std::uint32_t two_level_from = 4096;

template <class Centroids>
void assign_rows(MatrixView x, const Centroids& centroids, std::uint32_t* lists, unsigned threads) {
    constexpr std::size_t batch = Centroids::batch;
    parallel_for((x.rows + batch - 1) / batch, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * batch;
        centroids.best(x.row(first), std::min(batch, x.rows - first), lists + first);
    });
}

// x against k x d centroids, exactly for few and through groups for many.
void assign(MatrixView x, MatrixView centroids, bool spherical, std::uint32_t* lists, unsigned threads);

}  // namespace fewbits
