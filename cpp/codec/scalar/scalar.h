// Scalar quantization: a few bits per dimension, with a separate scale for each vector.
//
// x^_j = mean_j + step_j * a * (level(code_j) - center), where a is the vector's factor. With 8 bits, the level is the
// byte itself. With 4 bits, it is one of 16 given levels, which can be denser where coordinates are denser.
#pragma once

#include <optional>
#include <vector>

#include "codec/codec.h"
#include "codec/scalar/levels.h"
#include "codec/staging/level_codec.h"

namespace fewbits::codec {

class ScalarCodec final : public LevelCodec {
public:
    ScalarCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    void (*max_kernel() const)(const kernels::Scan&) override;
    QueryTerms prepare_max(const float* query, std::uint8_t* table) const override;
    const std::uint8_t* levels() const override { return levels_.empty() ? nullptr : levels_.data(); }
    std::size_t table_bytes() const override { return dim_; }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    QueryTerms prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const override;
    void scan_wide(const kernels::Scan& scan) const override;

    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

    float weigh(const float* query, float* weights) const override;
    bool is_wide(const std::vector<float>& weights) const override;
    Levels levels_of_codes() const;

private:
    struct Scratch;

    void encode_levels(MatrixView x, const float* origin, std::uint8_t* codes, const Factors& factors) const override;
    void decode_levels(const std::uint8_t* codes, const StoredFactors& factors, const float* origin, std::size_t n,
                       float* x) const override;
    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;
    QueryTerms quantize(const std::vector<float>& weights, float constant, float largest, std::uint8_t* table) const;
    // Sums of query times level for n <= rows_at_once listed rows.
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const;
    float center() const { return bits_ == 4 ? outermost_level : 127.5f; }
    float value(std::uint8_t code) const { return model_ ? model_->values[code] : static_cast<float>(code) - 127.5f; }
    // Whether scores use x^ minus the mean, which keeps l2 precise for data far from zero. Not for codes of residuals.
    bool centred() const { return l2_ && !residual_; }
    float encode_row(Scratch& scratch) const;
    float encode_bytes(Scratch& scratch) const;
    float encode_nibbles(Scratch& scratch) const;
    float best_scale(const Scratch& scratch) const;
    float high_bit_factor(const Scratch& scratch) const;
    std::size_t wide_query_bytes() const { return sizeof(QueryTerms) + dim_ * sizeof(float); }
    void score_wide_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                         float* scores) const;

    std::uint32_t dim_, bits_;
    bool l2_, residual_;
    std::vector<float> mean_, step_, inverse_step_;
    std::vector<std::uint8_t> levels_;  // 4 bits: 16 levels
    std::optional<LevelModel> model_;   // 4 bits
};

// Whole or staged codes, depending on param "<prefix>.staged".
std::shared_ptr<const Codec> make_scalar(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual);

}  // namespace fewbits::codec
