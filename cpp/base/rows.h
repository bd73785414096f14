// What a row of floats must be to be a vector.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "base/matrix.h"
#include "base/metric.h"

namespace fewbits {

struct RowRule {
    bool nonzero = false;                                      // rows of zeros only are bad
    double longest = std::numeric_limits<double>::infinity();  // longer rows are bad
};

// Of what is indexed and searched. Cosine normalises rows in double precision; other scores are of rows as they are,
// and up to this length squared differences (2^126) and doubled products fit float32.
RowRule row_rule(Metric metric);

// The first row that is bad, or has a value that is not finite; -1 if there is none.
std::ptrdiff_t first_bad_row(MatrixView x, const RowRule& rule);

// The rows as they are now: whoever writes to x later, or has been doing so since it was last checked, changes neither
// the copy nor the verdict. first_row: of x in what the user gave.
std::vector<float> checked_copy(MatrixView x, const RowRule& rule, const char* name, std::size_t first_row = 0);

}  // namespace fewbits
