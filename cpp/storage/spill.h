// Rows that are written once and then read individually, kept on disk instead of in memory: the codes of a rerank tier
// while an index is built. The file has no name, so it disappears with its last user even if the process is killed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/parts.h"
#include "base/progress.h"
#include "io/system.h"

namespace fewbits::io {

class Spill {
public:
    Spill(const std::string& directory, std::size_t row_bytes);

    void append(std::span<const std::uint8_t> rows);  // whole rows; Error(io) if the disk is full
    std::size_t rows() const noexcept { return bytes_ / row_bytes_; }
    std::size_t row_bytes() const noexcept { return row_bytes_; }

    // The rows appended so far (u8), mapped read-only for access in any order. They outlive the spill.
    Array map() const;

private:
    std::string directory_;
    std::size_t row_bytes_;
    std::uint64_t bytes_ = 0;
    Descriptor file_;
};

// A spill in `directory` whose row i is row order[i] of `rows`, so that the rows of a list are contiguous. One step per
// row.
Spill reordered(const Spill& rows, std::span<const std::uint32_t> order, const std::string& directory,
                ProgressCounter& steps);

}  // namespace fewbits::io
