// Requirements on a row of floats to be a vector.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "base/matrix.h"
#include "base/metric.h"

namespace fewbits {

struct RowRule {
    bool nonzero = false;                                      // rows of zeros only are rejected
    double longest = std::numeric_limits<double>::infinity();  // longer rows are rejected
};

// The rule for indexed vectors and queries. Cosine normalises rows in double precision. Other metrics limit the length,
// so that squared differences (2^126) and doubled products fit float32.
RowRule row_rule(Metric metric);

// The first row that breaks the rule or has a value that is not finite; -1 if there is none.
std::ptrdiff_t first_bad_row(MatrixView x, const RowRule& rule);

// A copy of the rows, checked after copying: later or concurrent writes to x affect neither the copy nor the verdict.
// first_row: the number of the first row of x in the user's input.
std::vector<float> checked_copy(MatrixView x, const RowRule& rule, const char* name, std::size_t first_row = 0);

}  // namespace fewbits
