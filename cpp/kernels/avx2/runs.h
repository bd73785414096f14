// The runs of a block for AVX2, readable 4 * element_bits bytes (a full run) at a time, whatever the block's size.
//
// A short block has short runs, and a full-width load of the last ones would read past the buffer, so these are read
// from a copy. Bytes past a run belong to the next run or are zero; they are lanes of vectors that do not exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

[[maybe_unused]] __m256i load256(const void* p) noexcept {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
[[maybe_unused]] __m128i load128(const void* p) noexcept {
    return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
[[maybe_unused]] __m256i broadcast128(const void* p) noexcept {
    return _mm256_broadcastsi128_si256(load128(p));
}

constexpr std::uint32_t min(std::uint32_t a, std::uint32_t b) noexcept {
    return a < b ? a : b;
}

template <std::uint32_t element_bits>
struct Runs {
    static constexpr std::uint32_t width = 4 * element_bits;

    Runs(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m) noexcept
        : codes(block), stride(run_bytes(element_bits, vectors)) {
        const auto unsafe = static_cast<std::uint32_t>((width - 1) / stride);
        in_place = unsafe == 0 ? m : m > unsafe ? (m - unsafe) & ~1u : 0;
        __builtin_memset(tail, 0, sizeof tail);
        if (in_place < m) __builtin_memcpy(tail, block + in_place * stride, (m - in_place) * stride);
    }

    const std::uint8_t* at(std::uint32_t s) const noexcept {
        return s < in_place ? codes + s * stride : tail + (s - in_place) * stride;
    }

    const std::uint8_t* codes;
    std::size_t stride;
    std::uint32_t in_place;  // runs read where they are: an even number, or all
    alignas(32) std::uint8_t tail[3 * width];
};

// One int32 per vector of a block, in natural order.
struct Sums {
    __m256i eight[4];
};

[[maybe_unused]] void add(Sums& sums, const Sums& more) noexcept {
    for (int g = 0; g < 4; ++g) sums.eight[g] = _mm256_add_epi32(sums.eight[g], more.eight[g]);
}

}  // namespace
}  // namespace fewbits::kernels
