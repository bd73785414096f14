// Float tables of a query as bytes. One scale for all tables of a query (sums of entries stay proportional), set by the
// widest table alone, so that it never depends on how many tables there are; each table's minimum goes into the offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "codec/codec.h"

namespace fewbits::codec {

// m tables of k entries (overwritten) to bytes: sum of entries ~ sum of bytes * scale + offset, within m * scale / 2.
// limit: entries that lie deeper than this below the largest of their table count as lying so deep.
QueryTerms quantize_tables(float* tables, std::size_t m, std::size_t k, std::uint8_t* out,
                           float limit = std::numeric_limits<float>::infinity());

}  // namespace fewbits::codec
