// Codes of 1 to 8 bits a dimension whole in their blocks, for scans of one pass: what packed dots read (kernels.h). Up
// to 7 bits, four dimensions after the other take `bits` half bytes (dot_bits); 8 bits are a byte a dimension (dot8).
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/codec.h"

namespace fewbits::codec {

class Quads {
public:
    Quads(std::uint32_t dim, std::uint32_t bits) : dim_(dim), bits_(bits) {}

    void set_layout(CodeLayout& layout) const;
    void (*scan_kernel() const)(const kernels::Scan&);
    // An int8 a dimension, and zeros up to a multiple of four.
    std::size_t table_bytes() const { return std::size_t{quads()} * 4; }
    // acc * scale + offset = sum of weight * (code - center)
    QueryTerms terms(const float* weights, float center, std::uint8_t* table) const;

    // A byte a dimension to row form, and back.
    void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const;

private:
    std::uint32_t quads() const { return (dim_ + 3) / 4; }
    std::uint32_t half_bytes() const { return quads() * bits_; }

    std::uint32_t dim_, bits_;
};

}  // namespace fewbits::codec
