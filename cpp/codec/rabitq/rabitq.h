// RaBitQ: the nearest direction of a grid in a randomly rotated space, and an unbiased estimate of inner products.
//
// r = x - origin, or x - mean where there is no list. Its code c (1 to 8 bits a dimension) is the grid vector
// g = c - (2^bits - 1) / 2 of the least angle to r, and <r, q> is estimated as a <g, q> with a = |r|^2 / <r, g>: exact
// along r, and across r an error that a random rotation makes symmetric. The rotation is the transform's business.
// (Gao and Long 2024; Gao et al. 2024.)
//
// Blocks hold whole codes, scored in one pass by an 8-bit query, or (staged) the high bits, for a first pass by tables.
//
// Where scores need <r, t> at the origin t, that is known exactly, so the estimate is of <r, q - t>: b holds the
// difference.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "codec/rabitq/quads.h"
#include "codec/scalar/levels.h"
#include "codec/scalar/staged.h"
#include "codec/staging/planes.h"

namespace fewbits::codec {

class RabitqCodec final : public Codec {
public:
    RabitqCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    // mean + a g: the vector whose inner products the estimates are, not the nearest to x.
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    std::size_t table_bytes() const override { return by_planes() ? planes_.table_bytes() : quads_.table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const override;

private:
    struct Scratch;

    // One bit a dimension is the same in either layout, and scanned by tables.
    bool by_planes() const { return staged() || bits_ == 1; }
    bool staged() const { return staging_ != Staging::none; }
    void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const;
    float center() const { return static_cast<float>((1u << bits_) - 1) / 2; }
    float weigh(const float* query, float* weights) const;
    float encode_row(Scratch& scratch) const;
    float nearest_direction(Scratch& scratch) const;
    float high_bit_factor(const Scratch& scratch) const;
    QueryTerms prepare_weights(const float* weights, std::uint8_t* table) const;

    std::uint32_t dim_, bits_;
    bool l2_, residual_;
    Staging staging_;
    std::vector<float> mean_;  // zero where codes are of residuals
    LevelModel model_;
    Planes planes_;
    Quads quads_;
};

}  // namespace fewbits::codec
