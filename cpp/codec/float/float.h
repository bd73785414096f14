// Codes that are the vectors themselves, in float32 or float16: for exact search and the most accurate rerank.
#pragma once

#include "codec/codec.h"

namespace fewbits::codec {

class FloatCodec final : public Codec {
public:
    FloatCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    void (*max_kernel() const)(const kernels::Scan&) override;
    std::size_t table_bytes() const override { return std::size_t{dim_} * sizeof(float); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    std::size_t row_query_bytes() const override { return (std::size_t{dim_} + 1) * sizeof(float); }
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

private:
    bool half() const { return bits_ == 16; }
    std::size_t row_bytes() const { return std::size_t{dim_} * bits_ / 8; }
    void values(const std::uint8_t* codes, std::size_t count, float* out) const;
    QueryTerms write_query(const float* query, float* out) const;

    std::uint32_t dim_;
    std::uint32_t bits_;
    // l2 is computed from differences if the code is x^; for residuals, as 2 <q, x^> - |x^|^2 - |q|^2 with factor b.
    bool differences_;
    bool norms_;
};

}  // namespace fewbits::codec
