// Rows are numbered with 32 bits, and 2^32 - 1 stands for none.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace fewbits {

// n as a number of rows. Throws an error about `what` if there are too many.
inline std::uint32_t row_count(std::uint64_t n, const std::string& what, ErrorKind kind = ErrorKind::invalid_argument) {
    if (n > 0xfffffffe) throw Error(kind, what + ": got " + std::to_string(n) + " vectors, expected at most 2^32 - 2");
    return static_cast<std::uint32_t>(n);
}

}  // namespace fewbits
