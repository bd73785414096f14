// Product quantization: the code of a vector is the nearest codeword in each of m subspaces.
//
// There are two codebooks: vectors are always encoded with the one found by k-means; scores and decoded vectors use the
// scoring codebook, which may have been trained for ranking.
#pragma once

#include "codec/codec.h"
#include "codec/pq/codebook.h"
#include "codec/pq/table_limit.h"

namespace fewbits::codec {

class PqCodec final : public Codec {
public:
    PqCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    std::uint32_t dim() const override { return dim_; }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    std::size_t table_bytes() const override { return entries(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    QueryTerms prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const override;
    void scan_wide(const kernels::Scan& scan) const override;

    std::size_t row_query_bytes() const override { return (entries() + 1) * sizeof(float); }
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

private:
    std::uint32_t k() const { return 1u << bits_; }
    std::size_t entries() const { return std::size_t{m_} * k(); }
    std::size_t row_bytes() const { return (std::size_t{m_} * bits_ + 7) / 8; }
    const Codebook& scoring() const { return scoring_.empty() ? assignment_ : scoring_.front(); }

    void nearest(MatrixView y, std::uint8_t* codes) const;
    void improve(MatrixView x, MatrixView y, std::uint8_t* codes) const;
    float fill_tables(const float* query, float* tables) const;
    QueryTerms quantize(float* tables, float constant, float limit, std::uint8_t* table) const;
    Reach reach(const float* tables) const;

    std::uint32_t dim_, m_, bits_;
    bool l2_, residual_;
    float eta_ = 1;
    Codebook assignment_;
    std::vector<Codebook> scoring_;    // none or one
    std::vector<float> nearest_bias_;  // -|C|^2 / 2 of the assignment codebook
    std::vector<float> table_bias_;    // -|C|^2 of the scoring codebook
    bool uneven_;                      // a few codewords could determine the step of all tables
};

}  // namespace fewbits::codec
