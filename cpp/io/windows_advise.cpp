// Windows has no such hints for mappings.
#include "io/advise.h"

namespace fewbits::io {

void advise_random(std::span<const std::byte>) {}
void advise_rows(const std::uint8_t*, std::size_t, std::span<const std::uint32_t>) {}

}  // namespace fewbits::io
