// How far the byte tables of a query need to reach. Their step is set by the widest table, so a codeword of one
// outlying vector, or a subspace of a larger unit, could leave one byte for everything that is near. Under l2 an entry
// far below the best of its table belongs to no near vector, and counts enough if it counts as the limit. Under ip it
// may be what is wanted, and where subspaces differ the limit of one is not that of another: such queries do without
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/pq/codebook.h"

namespace fewbits::codec {

// Whether the codewords of a subspace lie too unevenly for one step, or the subspaces differ too much.
bool is_uneven(const Codebook& codebook);

// Of tables of distances, m of k entries: where to saturate, and whether that is of no use, as subspaces differ.
struct Reach {
    float limit = std::numeric_limits<float>::infinity();
    bool uneven = false;
};
Reach reach_of_distances(const float* tables, std::size_t m, std::size_t k, std::uint32_t width);

// Of tables of products: whether the widest table is so much wider than the middle half of a typical one that bytes
// would blur the latter.
bool outgrows_bytes(const float* tables, std::size_t m, std::size_t k);

}  // namespace fewbits::codec
