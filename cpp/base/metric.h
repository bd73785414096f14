// Inside the core every score is a similarity: larger is better. l2 is the negated squared distance.
// Cosine is inner product of rows that were normalised on the way in (index/), so codecs only ever see l2 and ip.
#pragma once

#include <cstdint>

namespace fewbits {

enum class Metric : std::uint32_t { l2 = 0, ip = 1, cosine = 2 };

}  // namespace fewbits
