// A set of coded vectors in the form that scans read: code blocks (kernels.h), then, for staged codecs, one row per
// vector with the rest of its code; and factors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/codec.h"

namespace fewbits {

// A view of one set of n vectors. a: n factors, or null.
struct CodeSet {
    const std::uint8_t* codes = nullptr;
    const float* a = nullptr;
    std::uint32_t n = 0;
};

// Number of bytes of the codes of n vectors.
std::size_t code_set_bytes(const CodeLayout& layout, std::size_t n);

// Converts n rows, as written by Codec::encode, to codes, and back.
void pack_code_set(const CodeLayout& layout, const std::uint8_t* rows, std::size_t n, std::uint8_t* codes);
void unpack_code_set(const CodeLayout& layout, const CodeSet& set, std::uint8_t* rows);

// Many sets, stored consecutively.
struct CodeSets {
    std::vector<std::uint32_t> counts;  // number of vectors per set
    std::vector<std::uint8_t> codes;
    std::vector<float> a;  // one per vector; empty if the codec has none

    std::size_t size() const { return counts.size(); }
};

}  // namespace fewbits
