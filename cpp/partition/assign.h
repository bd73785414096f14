// Assigns rows to lists, in fixed blocks on all threads. The list of a row depends only on the row and the centroids.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/matrix.h"
#include "base/parallel.h"
#include "partition/soar.h"

namespace fewbits {

// With at least this many centroids, rows are assigned through groups of centroids (TwoLevelCentroids).
inline constexpr std::uint32_t two_level_from = 4096;

template <class Centroids>
void assign_rows(MatrixView x, const Centroids& centroids, std::uint32_t* lists, unsigned threads) {
    constexpr std::size_t batch = Centroids::batch;
    parallel_for((x.rows + batch - 1) / batch, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * batch;
        centroids.best(x.row(first), std::min(batch, x.rows - first), lists + first);
    });
}

// Second lists, among the centroids that `search` compares. lists: the first ones.
template <class Centroids>
void assign_second_rows(MatrixView x, const Centroids& search, MatrixView centroids, const std::uint32_t* lists,
                        const SpillRule& rule, const SecondLists& out, unsigned threads) {
    constexpr std::size_t batch = Centroids::batch;
    parallel_for((x.rows + batch - 1) / batch, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * batch;
        second_lists(search, x.block(first, std::min(batch, x.rows - first)), centroids, lists + first, rule,
                     {out.lists + first, out.gains ? out.gains + first : nullptr});
    });
}

// centroids: k x d. Exact for few centroids, through groups for many.
void assign(MatrixView x, MatrixView centroids, bool spherical, std::uint32_t* lists, unsigned threads);
void assign_second(MatrixView x, MatrixView centroids, bool spherical, const std::uint32_t* lists,
                   const SpillRule& rule, const SecondLists& out, unsigned threads);

}  // namespace fewbits
