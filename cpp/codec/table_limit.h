// How deep the byte tables of a query need to reach under l2. Their step is set by the widest table, so a codeword of
// one outlying vector, or a subspace of a larger unit, could leave one byte for everything that is near. But an entry
// far below the best of its table belongs to no near vector, and counts enough if it counts as the limit.
#pragma once

#include <cstddef>

#include "codec/codebook.h"

namespace fewbits::codec {

// Whether the codewords of a subspace lie too unevenly for one step, or the subspaces differ too much.
bool is_uneven(const Codebook& codebook);

// Five times the depth below which a quarter of a table's entries lie, on average over m tables of k entries.
float table_limit(const float* tables, std::size_t m, std::size_t k);

}  // namespace fewbits::codec
