// A set of coded vectors in a form that scans read: code blocks (kernels.h), then of staged codecs what is not in them,
// a row per vector; and factors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/codec.h"

namespace fewbits {

// One set of n vectors that lies elsewhere. a: n factors, or null.
struct CodeSet {
    const std::uint8_t* codes = nullptr;
    const float* a = nullptr;
    std::uint32_t n = 0;
};

// Bytes of the codes of a set of n vectors.
std::size_t code_set_bytes(const CodeLayout& layout, std::size_t n);

// From n rows, as Codec::encode gives them, to codes, and back.
void pack_code_set(const CodeLayout& layout, const std::uint8_t* rows, std::size_t n, std::uint8_t* codes);
void unpack_code_set(const CodeLayout& layout, const CodeSet& set, std::uint8_t* rows);

// Many sets, one after the other.
struct CodeSets {
    std::vector<std::uint32_t> counts;  // vectors of each set
    std::vector<std::uint8_t> codes;
    std::vector<float> a;  // of every vector; empty if the codec has none

    std::size_t size() const { return counts.size(); }
};

}  // namespace fewbits
