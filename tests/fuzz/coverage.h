// Which code of the library has run, as reported by gcc (-fsanitize-coverage=trace-pc).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace coverage {

constexpr std::size_t places = 1 << 16;

// The number of times each place ran, up to 255; a place is a hash of the address of a basic block.
extern std::array<std::uint8_t, places> runs;

}  // namespace coverage
