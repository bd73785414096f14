// The integer kernels for AVX2, by their names in the table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/avx2_packed_dot.h"
#include "kernels/avx2_rows.h"
#include "kernels/avx2_scan8.h"
#include "kernels/avx2_table_scan.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

// One vector's nibbles lie a run apart, so there is nothing to load at once.
void extract4(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
              std::uint8_t* out) noexcept {
    const std::size_t stride = run_bytes(4, vectors);
    const std::uint8_t* at = block + v / 2;
    const std::uint32_t shift = v % 2 * 4;
    const auto next = [&]() {
        const std::uint32_t nibble = (*at >> shift) & 15u;
        at += stride;
        return nibble;
    };
    for (std::uint32_t s = 0; s + 1 < m; s += 2) {
        const std::uint32_t low = next();
        *out++ = static_cast<std::uint8_t>(low | next() << 4);
    }
    if (m % 2 != 0) *out = static_cast<std::uint8_t>(next());
}

}  // namespace
}  // namespace fewbits::kernels
