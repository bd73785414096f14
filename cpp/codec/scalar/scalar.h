// Scalar quantization: a few bits a dimension, with a scale of its own for each vector.
//
// x^_j = mean_j + step_j * a * (level(code_j) - center), and a is the vector's factor. 8 bits: the level is the byte.
// 4 bits: one of 16 given levels, so that they may be denser where coordinates are.
#pragma once

#include <optional>
#include <vector>

#include "codec/codec.h"
#include "codec/scalar/levels.h"

namespace fewbits::codec {

class ScalarCodec : public Codec {
public:
    ScalarCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    void (*max_kernel() const)(const kernels::Scan&) override;
    QueryTerms prepare_max(const float* query, std::uint8_t* table) const override;
    const std::uint8_t* levels() const override { return levels_.empty() ? nullptr : levels_.data(); }
    std::size_t table_bytes() const override { return dim_; }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    bool is_wide(const float* query) const override;
    std::size_t wide_floats() const override { return dim_; }
    QueryTerms prepare_wide(const float* query, float* weights) const override;
    void scan_wide(const kernels::Scan& scan) const override;

    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

protected:
    // The stored form of one row's codes.
    virtual void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    virtual void unpack(const std::uint8_t* row, std::uint8_t* codes) const;
    // Sums of query times level over n <= rows_at_once listed rows.
    virtual void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                          std::int32_t* sums) const;

    // What multiplies (level - center) * a in the score: a weight a dimension. Returns the constant.
    float weigh(const float* query, float* weights) const;

    std::uint32_t dim_, bits_;
    std::vector<std::uint8_t> levels_;  // 4 bit: 16
    std::optional<LevelModel> model_;   // 4 bit

private:
    struct Scratch;

    QueryTerms prepare_as(bool for_maxima, const float* query, std::uint8_t* table) const;
    float center() const { return bits_ == 4 ? outermost_level : 127.5f; }
    float value(std::uint8_t code) const { return model_ ? model_->values[code] : static_cast<float>(code) - 127.5f; }
    // x^ relative to the mean: without it l2 keeps its precision far from the origin. Only where there is no residual.
    bool centred() const { return l2_ && !residual_; }
    float encode_row(Scratch& scratch) const;
    float encode_bytes(Scratch& scratch) const;
    float encode_nibbles(Scratch& scratch) const;
    float best_scale(const Scratch& scratch) const;
    float high_bit_factor(const Scratch& scratch) const;
    std::size_t wide_query_bytes() const { return sizeof(QueryTerms) + dim_ * sizeof(float); }
    void score_wide_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                         float* scores) const;

    bool l2_, residual_;
    std::vector<float> mean_, step_, inverse_step_;
};

}  // namespace fewbits::codec
