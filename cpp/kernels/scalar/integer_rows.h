// Integer sums over rows of codes, as specified, and extraction of one vector of a block as a row.
#pragma once

#include "kernels/scalar/codes.h"

namespace fewbits::kernels {
namespace {

// One integer per listed row. level(i, row, j) is the level of dimension j of the i-th listed row, which starts at
// `row`.
template <class Level>
void dot_rows(const Rows& rows, Level level) noexcept {
    const std::int16_t* query = static_cast<const std::int16_t*>(rows.query);
    std::int32_t* out = static_cast<std::int32_t*>(rows.out);
    for (std::uint32_t i = 0; i < rows.n; ++i) {
        const std::uint8_t* row = rows.base + (rows.rows != nullptr ? rows.rows[i] : i) * rows.stride;
        std::uint32_t sum = 0;
        for (std::uint32_t j = 0; j < rows.dim; ++j) sum += product(query[j], level(i, row, j));
        out[i] = static_cast<std::int32_t>(sum);
    }
}

void rows_dot4(const Rows& rows) noexcept {
    dot_rows(rows, [&rows](std::uint32_t, const std::uint8_t* row, std::uint32_t j) {
        return rows.levels[(row[j / 2] >> (j % 2 * 4)) & 15];
    });
}

void rows_dot8(const Rows& rows) noexcept {
    dot_rows(rows, [](std::uint32_t, const std::uint8_t* row, std::uint32_t j) { return row[j]; });
}

void rows_planes(const Rows& rows, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits) noexcept {
    const std::size_t plane_bytes = (std::size_t{rows.dim} + 7) / 8;
    dot_rows(rows, [&](std::uint32_t i, const std::uint8_t* row, std::uint32_t j) {
        const auto bit = [j](const std::uint8_t* plane) {
            return (static_cast<std::uint32_t>(plane[j / 8]) >> (j % 8)) & 1u;
        };
        std::uint32_t code = bit(high + i * high_stride);
        for (std::uint32_t p = 1; p < bits; ++p) code = code * 2 + bit(row + (p - 1) * plane_bytes);
        return rows.levels[code];
    });
}

void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
              std::uint8_t* out) noexcept {
    const std::size_t stride = run_bytes(4, vectors);
    const auto nibble = [&](std::uint32_t s) { return (block[s * stride + v / 2] >> (v % 2 * 4)) & 15; };
    for (std::uint32_t s = 0; s < m; s += 2)
        out[s / 2] = static_cast<std::uint8_t>(nibble(s) | (s + 1 < m ? nibble(s + 1) << 4 : 0));
}

}  // namespace
}  // namespace fewbits::kernels
