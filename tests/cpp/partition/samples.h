// Data and parts for the tests of transforms and partitions.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/parts.h"
#include "base/random.h"

namespace samples {

struct Rows {
    std::vector<float> values;
    std::size_t n;
    std::size_t d;

    fewbits::MatrixView view() const { return {values.data(), n, d}; }
};

// Sums of two uniform numbers in (-1, 1) about one of `centers` random points.
inline Rows clustered(std::size_t n, std::size_t d, std::uint64_t seed, std::size_t centers = 20) {
    Rows rows{std::vector<float>(n * d), n, d};
    const auto uniform = [](std::uint64_t s, std::uint64_t i) { return 2 * fewbits::random_unit(s, i) - 1; };
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t center = fewbits::random_below(seed, i, centers);
        for (std::size_t j = 0; j < d; ++j)
            rows.values[i * d + j] =
                static_cast<float>(2 * uniform(seed + 1, center * d + j) + uniform(seed + 2, i * d + j));
    }
    return rows;
}

template <class T>
fewbits::Array array(fewbits::DType dtype, const std::vector<T>& values) {
    auto kept = std::make_shared<std::vector<T>>(values);
    return {dtype, std::as_bytes(std::span<const T>(*kept)), kept};
}

inline double distance(const float* x, const float* y, std::size_t d) {
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j) sum += (double{x[j]} - double{y[j]}) * (double{x[j]} - double{y[j]});
    return sum;
}

inline double dot(const float* x, const float* y, std::size_t d) {
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j) sum += double{x[j]} * double{y[j]};
    return sum;
}

inline bool same_bits(const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

inline bool all_finite(const std::vector<float>& x) {
    for (const float value : x)
        if (!std::isfinite(value)) return false;
    return true;
}

}  // namespace samples
