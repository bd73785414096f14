// Agglomerative clustering of a set's tokens by Ward's criterion: always merges the two clusters whose union adds least
// to the sum of squared distances from the means (Ward, "Hierarchical grouping to optimize an objective function",
// 1963).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

// Inner products of all pairs: rows x rows.
std::vector<float> token_products(MatrixView tokens);

// The cluster of each token; there are `count` clusters (1 <= count <= tokens). A cluster's number is that of one of
// its tokens.
std::vector<std::uint32_t> ward_clusters(MatrixView tokens, std::size_t count);

}  // namespace fewbits
