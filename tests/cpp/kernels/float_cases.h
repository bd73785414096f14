// Additions to kernel_cases.h for the float tests: random floats, conversion of rows to blocks, comparison of bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "kernels/kernel_cases.h"

namespace cases {

using fewbits::kernels::Kernels;
using kernel_cases::Guarded;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

inline const Kernels& scalar() {
    return *fewbits::kernels::scalar_kernels;
}

// Every set that this CPU supports, with and without the specification (the last one).
inline std::vector<const Kernels*> all_sets() {
    const auto all = kernel_cases::available();
    return {all.begin(), all.end()};
}
inline std::vector<const Kernels*> fast_sets() {
    auto sets = all_sets();
    sets.pop_back();
    return sets;
}

template <class T>
const std::uint8_t* bytes_of(const T& values) {
    return reinterpret_cast<const std::uint8_t*>(values.data());
}

// Uniform in [-1, 1).
inline std::vector<float> random_floats(std::uint64_t seed, std::size_t n) {
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(2 * fewbits::random_unit(seed, i) - 1);
    return x;
}

// Converts n rows of m elements (of at least a byte) to blocks.
template <class T>
std::vector<T> to_blocks(const std::vector<T>& rows, std::size_t n, std::size_t m) {
    std::vector<T> blocks(n * m);
    for (std::size_t v = 0; v < n; ++v) {
        const std::size_t first = v / 32 * 32;
        const std::size_t vectors = std::min<std::size_t>(32, n - first);
        for (std::size_t j = 0; j < m; ++j) blocks[first * m + j * vectors + (v - first)] = rows[v * m + j];
    }
    return blocks;
}

// NaNs count as equal: which operand's payload survives is not specified.
inline bool same_bits(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

}  // namespace cases
