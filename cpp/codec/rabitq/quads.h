// Codes of 1 to 8 bits per dimension whole in their blocks, for scans of one pass: what packed dots read (kernels.h).
// Up to 7 bits, four dimensions after the other take `bits` half bytes (dot_bits); 8 bits are a byte per dimension
// (dot8). One bit per dimension is a bit plane too, and is scanned by tables (scan4).
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
    // An int8 per dimension, and zeros up to a multiple of four; or the tables of the plane.
    std::size_t table_bytes() const { return bits_ == 1 ? plane_.table_bytes() : std::size_t{quads()} * 4; }
    // acc * scale + offset = sum of weight * (code - center)
    QueryTerms terms(const float* weights, float center, std::uint8_t* table) const;

    // A byte a dimension to row form, and back.
    void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const;

private:
    std::uint32_t quads() const { return (dim_ + 3) / 4; }
    std::uint32_t half_bytes() const { return quads() * bits_; }

    std::uint32_t dim_, bits_;
    Planes plane_;  // of one bit
};

}  // namespace fewbits::codec
