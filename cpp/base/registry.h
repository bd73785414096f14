// A registry is an array of rows, one per kind of part: its number in files, its name, and how to make it. Numbers are
// consecutive and never reused.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/parts.h"

namespace fewbits {

// The row that param `name` selects; throws corrupt if there is none.
template <class Row>
const Row& row_of(std::span<const Row> rows, const Parts& parts, const std::string& name) {
    const std::uint64_t first = rows.front().kind;
    return rows[parts.param(name, first, rows.back().kind) - first];
}

}  // namespace fewbits
