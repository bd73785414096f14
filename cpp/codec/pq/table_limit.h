// The range that the byte tables of a query need to cover. The widest table determines their step, so the codeword of a
// single outlier, or a subspace with a larger unit, could leave only one byte value for all near vectors. Under l2, an
// entry far below the best of its table does not belong to a near vector, so it can be clamped to a limit. Under ip, it
// may be of interest; and if subspaces differ in scale, no limit suits all of them. Such queries use float tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/pq/codebook.h"

namespace fewbits::codec {

// Whether the codewords of a subspace are too unevenly distributed for a common step, or subspaces differ too much.
bool is_uneven(const Codebook& codebook);

// For m tables of k distances: where to saturate, and whether that does not help because subspaces differ.
struct Reach {
    float limit = std::numeric_limits<float>::infinity();
    bool uneven = false;
};
Reach reach_of_distances(const float* tables, std::size_t m, std::size_t k, std::uint32_t width);

// For tables of products: whether the widest table is so much wider than the middle half of a typical one that bytes
// cannot resolve the latter.
bool outgrows_bytes(const float* tables, std::size_t m, std::size_t k);

}  // namespace fewbits::codec
