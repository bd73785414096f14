// Counter-based random numbers: the value at (seed, counter) is a pure function, so it is the same for any thread
// count.
#pragma once

#include <cstdint>

namespace fewbits {

// The finaliser of splitmix64 (Steele, Lea, Flood 2014) over seed and counter.
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t counter) noexcept {
    std::uint64_t z = seed * 0xd1342543de82ef95ULL + (counter + 1) * 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// Uniform in [0, 1).
constexpr double random_unit(std::uint64_t seed, std::uint64_t counter) noexcept {
    return static_cast<double>(random_bits(seed, counter) >> 11) * 0x1.0p-53;
}

__extension__ typedef unsigned __int128 Wide;  // not ISO C++, but supported by every compiler that builds this

// Uniform in 0..n-1 (n > 0); the bias of the multiply-shift is below n / 2^64.
constexpr std::uint64_t random_below(std::uint64_t seed, std::uint64_t counter, std::uint64_t n) noexcept {
    return static_cast<std::uint64_t>((static_cast<Wide>(random_bits(seed, counter)) * n) >> 64);
}

}  // namespace fewbits
