// tile_best for few dimensions, on every instruction set: the condition for it, and one instance per number of
// dimensions. How lanes keep their best value is up to the instruction set. Everything here is local to the including
// file, since anything that the object of one instruction set exports could be linked into code for other CPUs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// Set::best_of_lanes<D, N>(tile, first, best, score) processes N points of D dimensions from `first` on, against groups
// of Set::lanes vectors. Returns false, having done nothing, if the tile is not narrow.
template <class Set, unsigned D = 1>
bool best_of_narrow(const Tile& tile, std::uint32_t* best, float* score) {
    constexpr std::uint32_t many = 64;  // vectors, from which the final comparison of the lanes pays off
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
