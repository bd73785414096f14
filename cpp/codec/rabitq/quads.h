// The grid of 1 to 8 bits in every dimension: whole codes in blocks, for scans in one pass, in the layout of the packed
// dot kernels (kernels.h). Up to 7 bits, four consecutive dimensions take `bits` half bytes (dot_bits); with 8 bits, a
// dimension takes one byte (dot8). One bit per dimension is also a bit plane, and is scanned with tables (scan4).
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/rabitq/grid.h"
#include "codec/scalar/levels.h"
#include "codec/staging/level_codec.h"
#include "codec/staging/planes.h"

namespace fewbits::codec {

class Quads final : public Grid {
public:
    Quads(std::uint32_t dim, std::uint32_t bits)
        : dim_(dim), bits_(bits), model_(model_levels(uniform_values(bits))), plane_(dim, 1, {0, 1}) {}

    std::uint32_t dim() const override { return dim_; }
    bool is_signs() const override { return bits_ == 1; }
    std::uint8_t middle() const override { return static_cast<std::uint8_t>(1u << (bits_ - 1)); }
    int largest() const override { return (1 << bits_) - 1; }
    void round(const float* r, float deviation, float* scratch, std::uint8_t* codes) const override;
    Levels levels_of_codes() const;

    void set_layout(CodeLayout& layout) const override;
    void (*scan_kernel() const)(const kernels::Scan&) override;
    // One int8 per dimension, padded with zeros to a multiple of four; or the tables of the plane.
    std::size_t table_bytes() const override { return bits_ == 1 ? plane_.table_bytes() : std::size_t{quads()} * 4; }
    QueryTerms terms(const float* weights, std::uint8_t* table) const override;

    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;

private:
    std::uint32_t quads() const { return (dim_ + 3) / 4; }
    std::uint32_t half_bytes() const { return quads() * bits_; }

    std::uint32_t dim_, bits_;
    LevelModel model_;
    Planes plane_;  // for one bit per dimension
};

}  // namespace fewbits::codec
