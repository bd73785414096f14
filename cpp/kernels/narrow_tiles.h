// The way into tile_best for few dimensions, for every instruction set: which tiles go there, and the instance for each
// number of dimensions. How lanes keep their best is the set's own business. Everything here is local to who includes
// it, as whatever an ISA's object exports could be linked into code for other CPUs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// Set::best_of_lanes<D, N>(tile, first, best, score) does N points from `first` on, of D dimensions, against groups of
// Set::lanes vectors. False if the tile is not narrow: then nothing was done.
template <class Set, unsigned D = 1>
bool best_of_narrow(const Tile& tile, std::uint32_t* best, float* score) {
    constexpr std::uint32_t many = 64;  // vectors, from which the lanes pay for their meeting
    constexpr unsigned widest = 8;
    if (tile.k < many || tile.k % Set::lanes != 0) return false;
    if (tile.dim != D) {
        if constexpr (D < widest) return best_of_narrow<Set, D + 1>(tile, best, score);
        return false;
    }
    std::size_t i = 0;
    for (; i + 4 <= tile.n; i += 4) Set::template best_of_lanes<D, 4>(tile, i, best, score);
    for (; i < tile.n; ++i) Set::template best_of_lanes<D, 1>(tile, i, best, score);
    return true;
}

}  // namespace
}  // namespace fewbits::kernels
