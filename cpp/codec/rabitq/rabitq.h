// RaBitQ: the nearest direction on a grid in a randomly rotated space, and an unbiased estimate of inner products.
//
// r = x - origin, or x - mean if there are no lists. Its code stands for the vector g of a grid with the smallest angle
// to r, and <r, q> is estimated as a <g, q> with a = |r|^2 / <r, g>. The estimate is exact along r; across r, a random
// rotation makes the error symmetric. The rotation is done by the transform. (Gao and Long 2024; Gao et al. 2024.)
//
// Param "<prefix>.bits": 1 to 8 bits in every dimension (quads.h). Array "<prefix>.digits": more bits in front
// (digits.h); r is then its leading dimensions that have a code, except in factor b.
//
// Blocks hold whole codes, which are scored in one pass with an 8-bit query, or staged codes (staging/staged.h).
//
// Where scores need <r, t> with the origin t, this product is known exactly, so only <r, q - t> is estimated: b holds
// the difference.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "codec/rabitq/grid.h"
#include "codec/staging/level_codec.h"

namespace fewbits::codec {

class RabitqCodec final : public LevelCodec {
public:
    RabitqCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual,
                std::shared_ptr<const Grid> grid);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;

    void (*scan_kernel() const)(const kernels::Scan&) override { return grid_->scan_kernel(); }
    const std::uint8_t* levels() const override { return grid_->levels(); }
    std::size_t table_bytes() const override { return grid_->table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

    float weigh(const float* query, float* weights) const override;
    bool is_wide(const std::vector<float>&) const override { return false; }  // the rotation evens out the weights

private:
    struct Scratch;

    void encode_levels(MatrixView x, const float* origin, std::uint8_t* codes, const Factors& factors) const override;
    // mean + a g: the vector whose inner products are the estimates, not the one nearest to x.
    void decode_levels(const std::uint8_t* codes, const StoredFactors& factors, const float* origin, std::size_t n,
                       float* x) const override;
    void pack(const std::uint8_t* codes, std::uint8_t* row) const override { grid_->pack(codes, row); }
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override { grid_->unpack(row, codes); }
    float encode_row(Scratch& scratch) const;
    float nearest_direction(Scratch& scratch) const;
    float high_bit_factor(const Scratch& scratch) const;

    std::uint32_t dim_;
    bool l2_, residual_;
    std::vector<float> mean_;  // zero for codes of residuals
    std::shared_ptr<const Grid> grid_;
};

// Whole or staged codes, depending on param "<prefix>.staged".
std::shared_ptr<const Codec> make_rabitq(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual);

}  // namespace fewbits::codec
