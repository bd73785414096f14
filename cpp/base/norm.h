// Lengths of float rows in double precision, summed in order.
#pragma once

#include <cstddef>

namespace fewbits {

inline double squared_length(const float* x, std::size_t n) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += double{x[j]} * double{x[j]};
    return sum;
}

}  // namespace fewbits
