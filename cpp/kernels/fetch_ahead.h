// A lone query waits for memory, so scans ask for codes before they come to them. A prefetch cannot fault.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fewbits::kernels {
namespace {

// How far ahead of a block, `size` bytes, to ask: nothing past the last of `left` bytes of codes is asked for.
constexpr std::size_t distance_ahead(std::size_t size, std::size_t left) noexcept {
    constexpr std::size_t distance = 2048;
    return left >= size + distance ? distance : 0;
}

template <std::size_t size>
[[gnu::always_inline]] inline void fetch(const std::uint8_t* codes) noexcept {
    constexpr std::size_t line = 64;
    for (std::size_t i = 0; i < size; i += line) __builtin_prefetch(codes + i);
}

}  // namespace
}  // namespace fewbits::kernels
