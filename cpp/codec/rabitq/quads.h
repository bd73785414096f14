// Whole codes of 1 to 8 bits per dimension in blocks, for scans in one pass, in the layout of the packed dot kernels
// (kernels.h). Up to 7 bits, four consecutive dimensions take `bits` half bytes (dot_bits); with 8 bits, a dimension
// takes one byte (dot8). One bit per dimension is also a bit plane, and is scanned with tables (scan4).
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/codec.h"
#include "codec/staging/planes.h"

namespace fewbits::codec {

class Quads {
public:
    Quads(std::uint32_t dim, std::uint32_t bits) : dim_(dim), bits_(bits), plane_(dim, 1, {0, 1}) {}

    void set_layout(CodeLayout& layout) const;
    void (*scan_kernel() const)(const kernels::Scan&);
    // One int8 per dimension, padded with zeros to a multiple of four; or the tables of the plane.
    std::size_t table_bytes() const { return bits_ == 1 ? plane_.table_bytes() : std::size_t{quads()} * 4; }
    // acc * scale + offset = sum of weight * (code - center)
    QueryTerms terms(const float* weights, float center, std::uint8_t* table) const;

    // From one byte per dimension to row form, and back.
    void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const;

private:
    std::uint32_t quads() const { return (dim_ + 3) / 4; }
    std::uint32_t half_bytes() const { return quads() * bits_; }

    std::uint32_t dim_, bits_;
    Planes plane_;  // for one bit per dimension
};

}  // namespace fewbits::codec
