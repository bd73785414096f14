// What a row of floats must be to be a vector.
#pragma once

#include <cstddef>
#include <limits>

#include "core/matrix.h"

namespace fewbits {

struct RowRule {
    bool nonzero = false;                                      // rows of zeros only are bad
    double longest = std::numeric_limits<double>::infinity();  // longer rows are bad
};

// The first row that is bad, or has a value that is not finite; -1 if there is none.
std::ptrdiff_t first_bad_row(MatrixView x, const RowRule& rule);

}  // namespace fewbits
