// Quantizes the float tables of a query to bytes. All of them share one scale, so that sums of entries stay
// proportional. The widest table determines the scale, which is therefore independent of the number of tables. The
// minimum of each table goes into the offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/codec.h"

namespace fewbits::codec {

// m tables of k entries (overwritten) to bytes: sum of entries ~ sum of bytes * scale + offset, within m * scale / 2.
// limit: entries that are further than this below the maximum of their table are clamped. largest: of the bytes.
QueryTerms quantize_tables(float* tables, std::size_t m, std::size_t k, std::uint8_t* out,
                           float limit = std::numeric_limits<float>::infinity(), int largest = 255);

}  // namespace fewbits::codec
