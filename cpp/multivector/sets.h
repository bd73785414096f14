// Sets of vectors that somebody else owns: set i is rows offsets[i] .. offsets[i + 1] - 1 of one matrix. How documents
// (sets of token vectors) and queries come in everywhere in this folder. No set is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

struct SetsView {
    MatrixView tokens;
    std::span<const std::int64_t> offsets;  // ascending from 0 to tokens.rows: one more than there are sets

    std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
    std::size_t first(std::size_t i) const noexcept { return static_cast<std::size_t>(offsets[i]); }
    MatrixView operator[](std::size_t i) const noexcept {
        return tokens.block(first(i), static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
    }
};

// Sets by themselves.
struct OwnedSets {
    std::vector<float> tokens;
    std::vector<std::int64_t> offsets{0};
};

// Throws invalid_argument, naming `name`, the set and what is wrong, unless the view is as stated above.
void check_sets(const SetsView& sets, const char* name);

}  // namespace fewbits
