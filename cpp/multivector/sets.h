// A view of sets of vectors: set i consists of rows offsets[i] .. offsets[i + 1] - 1 of one matrix. Documents (sets of
// token vectors) and queries are passed in this form throughout this folder. No set is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/matrix.h"

namespace fewbits {

struct SetsView {
    MatrixView tokens;
    std::span<const std::int64_t> offsets;  // one more than the number of sets, ascending from 0 to tokens.rows

    std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
    std::size_t first(std::size_t i) const noexcept { return static_cast<std::size_t>(offsets[i]); }
    MatrixView operator[](std::size_t i) const noexcept {
        return tokens.block(first(i), static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
    }
};

// Sets that own their data.
struct OwnedSets {
    std::vector<float> tokens;
    std::vector<std::int64_t> offsets{0};
};

// Throws invalid_argument with `name`, the set and the fault, unless the view is as stated above.
void check_sets(const SetsView& sets, const char* name);

}  // namespace fewbits
