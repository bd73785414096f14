// Reduces the number of vectors per set, to make documents smaller and queries cheaper. Sets are reduced independently,
// so that the result depends neither on the number of threads nor on the other sets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "multivector/sets.h"

namespace fewbits {

enum class Clustering : std::uint32_t { agglomerative = 0, kmeans = 1 };

// The largest number of tokens for agglomerative clustering, whose matrix grows with the square of it.
inline constexpr std::size_t max_to_merge = 8192;

// Groups a document's t tokens into max(1, min(max_tokens, round(share * t))) clusters, and replaces each cluster by
// its mean, scaled to the mean length of its tokens. agglomerative: Ward's method. kmeans: starts from evenly spaced
// tokens; clusters that lose all their tokens are dropped. Clusters are in the order of their first tokens.
// 0 < share <= 1, max_tokens >= 1.
OwnedSets pool(const SetsView& documents, double share, std::size_t max_tokens, Clustering clustering,
               unsigned threads);

// Ball carving: repeatedly takes the first remaining token of a query and all remaining tokens whose inner product with
// it is at least `min_similarity`, and replaces them by their sum. Chamfer similarity with the sums is at most that
// with the tokens.
OwnedSets carve(const SetsView& queries, float min_similarity, unsigned threads);

}  // namespace fewbits
