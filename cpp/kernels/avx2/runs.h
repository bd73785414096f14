// Loads and sums of blocks for AVX2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#include "kernels/code_blocks.h"

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

// One int32 per vector of a block, in natural order.
struct Sums {
    __m256i eight[4];
};

[[maybe_unused]] void add(Sums& sums, const Sums& more) noexcept {
    for (int g = 0; g < 4; ++g) sums.eight[g] = _mm256_add_epi32(sums.eight[g], more.eight[g]);
}

}  // namespace
}  // namespace fewbits::kernels
