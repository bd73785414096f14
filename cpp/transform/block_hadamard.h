// A random rotation in O(dim log dim) without a matrix: rounds of random signs and a Hadamard transform over a
// power-of-two block, alternately of the first and the last coordinates, so that it is orthonormal for every dim.
#pragma once

#include <memory>

#include "transform/transform.h"

namespace fewbits {

// Reads "transform.out_dim" (= dim), "transform.seed" and "transform.rounds" (1..8, default 3). In round r, coordinate
// j is negated if the highest bit of random_bits(seed, r * 65536 + j) is set.
std::shared_ptr<const Transform> make_block_hadamard(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
