// Whether floats are numbers, by their bits and without a way out: compilers then take many values at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/matrix.h"

namespace fewbits {

// nonzero: a row of zeros is not good either.
inline bool good_row(const float* row, std::size_t d, bool nonzero) {
    constexpr std::int32_t infinite = 0x7f800000;
    std::int32_t past = 0, any = 0;
    for (std::size_t j = 0; j < d; ++j) {
        const std::int32_t magnitude = std::bit_cast<std::int32_t>(row[j]) & 0x7fffffff;
        past |= magnitude >= infinite ? 1 : 0;
        any |= magnitude;
    }
    return past == 0 && (any != 0 || !nonzero);
}

// The rows as they are now: whoever writes to x later, or has been doing so since it was last checked, changes neither
// the copy nor the verdict. first_row: of x in what the user gave.
inline std::vector<float> finite_copy(MatrixView x, const char* name, std::size_t first_row = 0) {
    std::vector<float> copy(x.data, x.data + x.size());
    for (std::size_t i = 0; i < x.rows; ++i)
        if (!good_row(copy.data() + i * x.cols, x.cols, false))
            fail(std::string(name) + ": expected finite values, got others in row " + std::to_string(first_row + i));
    return copy;
}

}  // namespace fewbits
