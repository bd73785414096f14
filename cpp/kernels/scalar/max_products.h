// The largest 16-bit product of each point with the tokens of a set, as specified.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

std::int16_t product_of(const MaxProducts& sets, std::uint32_t point, std::uint32_t token) {
    const std::int8_t* x = sets.points + std::size_t{point} * sets.dim;
    const std::uint8_t* group = sets.tokens + std::size_t{token / 8} * 8 * sets.dim;
    std::uint32_t sum = static_cast<std::uint16_t>(sets.bias[point]);
    for (std::uint32_t j = 0; j < sets.dim; ++j)
        sum += static_cast<std::uint32_t>(x[j] * std::int32_t{group[j / 4 * 32 + token % 8 * 4 + j % 4]});
    return static_cast<std::int16_t>(static_cast<std::uint16_t>(sum));
}

void max_products(const MaxProducts& sets) {
    for (std::uint32_t i = 0; i < sets.n; ++i) {
        for (std::uint32_t t = 0; t < 8 * sets.groups; ++t) {
            const std::int16_t value = product_of(sets, i, t);
            if (value > sets.out[i]) sets.out[i] = value;
        }
    }
}

}  // namespace
}  // namespace fewbits::kernels
