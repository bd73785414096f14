// The rows by which the share of rows that a filter allows is estimated: all, or some drawn at random, which are the
// same for every filter.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/random.h"

namespace fewbits {

class RowSample {
public:
    explicit RowSample(std::uint32_t rows) : rows_(rows), size_(std::min(rows, most)) {}

    std::uint32_t size() const { return size_; }
    std::uint32_t operator[](std::uint32_t i) const {
        return rows_ == size_ ? i : static_cast<std::uint32_t>(random_below(seed, i, rows_));
    }

private:
    static constexpr std::uint32_t most = 2048;
    static constexpr std::uint64_t seed = 0x5a3;
    std::uint32_t rows_, size_;
};

}  // namespace fewbits
