// Random directions with the same bits on every machine: sums of uniform numbers instead of a library's logarithm and
// cosine. An encoding is therefore determined by its seed, and files do not contain the directions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace fewbits {

// rows x dim numbers with mean 0 and variance 1, nearly normal: each is a sum of twelve uniform numbers.
inline std::vector<double> random_directions(std::size_t rows, std::size_t dim, std::uint64_t seed) {
    std::vector<double> x(rows * dim);
    for (std::size_t i = 0; i < x.size(); ++i) {
        double sum = -6;
        for (std::uint64_t j = 0; j < 12; ++j) sum += random_unit(seed, 12 * i + j);
        x[i] = sum;
    }
    return x;
}

}  // namespace fewbits
