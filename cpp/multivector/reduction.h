// Fewer vectors a set, for documents that are to be smaller and queries that are to be cheaper. Every set by itself, so
// that the result does not depend on threads or on the sets beside it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "multivector/sets.h"

namespace fewbits {

enum class Clustering : std::uint32_t { agglomerative = 0, kmeans = 1 };

// Tokens that agglomerative clustering takes: its matrix grows with their square.
inline constexpr std::size_t max_to_merge = 8192;

// Clusters a document's t tokens into max(1, min(max_tokens, round(share * t))), of which each becomes its mean,
// stretched to the mean length of its tokens. Agglomerative: Ward's merges. kmeans: from tokens at even distances;
// clusters that lose all their tokens are dropped. Clusters are in the order of their first tokens. 0 < share <= 1,
// max_tokens >= 1.
OwnedSets pool(const SetsView& documents, double share, std::size_t max_tokens, Clustering clustering,
               unsigned threads);

// Ball carving: a query's first token that is left takes along all that are left and whose inner product with it is at
// least `min_similarity`, and their sum takes their place. Chamfer with the sums is at most Chamfer with the tokens.
OwnedSets carve(const SetsView& queries, float min_similarity, unsigned threads);

}  // namespace fewbits
