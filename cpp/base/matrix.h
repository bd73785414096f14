// Views of row-major data owned elsewhere, and size arithmetic that cannot wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "base/error.h"

namespace fewbits {

template <class T>
struct Matrix {
    T* data = nullptr;
    std::size_t rows = 0;
    std::size_t cols = 0;

    T* row(std::size_t i) const noexcept { return data + i * cols; }
    std::size_t size() const noexcept { return rows * cols; }
    std::span<T> span() const noexcept { return {data, size()}; }
    Matrix block(std::size_t first, std::size_t count) const noexcept { return {row(first), count, cols}; }
};

using MatrixView = Matrix<const float>;

inline std::size_t checked_mul(std::size_t a, std::size_t b) {
    std::size_t product;
    if (__builtin_mul_overflow(a, b, &product)) fail("size overflow: " + std::to_string(a) + " * " + std::to_string(b));
    return product;
}

inline std::size_t checked_add(std::size_t a, std::size_t b) {
    std::size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) fail("size overflow: " + std::to_string(a) + " + " + std::to_string(b));
    return sum;
}

}  // namespace fewbits
