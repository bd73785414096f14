// For vectors that lie in a cone, like the embeddings of many encoders. Their mean is long and dominates all inner
// products, so codes of whole vectors would spend most of their bits on what all vectors have in common.
//
// A vector is therefore split along the direction u of the mean: x = t u + s. Factor b holds t = <x, u> as a float,
// only s is coded, and <q, x> = <q, u> t + <q - <q, u> u, s>. Any codec can code s. Metric ip only.
//
// For residual codes of x - c, b holds <x - c, u>. The error e of the code's product with the part of c across u is
// known. Queries resemble the centroids of the lists they probe and have about <q, u> / <c, u> times their error, so b
// corrects for it: b = <x - c, u> + e / <c, u>. For codes of whole vectors, the vector itself takes the place of c.
#pragma once

#include <vector>

#include "codec/codec.h"

namespace fewbits::codec {

class DirectionCodec final : public Codec {
public:
    // inner: codes s. `direction` has length 1. corrects: whether b is corrected for codes of whole vectors, too, which
    // is worthwhile if a code is chosen as the nearest one to the vector.
    DirectionCodec(std::shared_ptr<const Codec> inner, std::span<const float> direction, bool corrects);

    std::uint32_t dim() const override { return inner_->dim(); }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override { return inner_->scan_kernel(); }
    const std::uint8_t* levels() const override { return inner_->levels(); }
    std::size_t table_bytes() const override { return inner_->table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;
    QueryTerms prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const override;
    void scan_wide(const kernels::Scan& scan) const override { inner_->scan_wide(scan); }

    std::size_t row_query_bytes() const override { return inner_->row_query_bytes() + sizeof(float); }
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const override {
        inner_->refine(scan, rest, row_query, query, first, exceeding);
    }

private:
    // Removes the component along u from x, and returns it.
    float split(float* x) const;
    void missed(const std::uint8_t* codes, const Factors& own, const float* origin, const float* of, Matrix<float> s,
                float* out) const;

    std::shared_ptr<const Codec> inner_;
    bool corrects_;
    std::vector<float> direction_;
};

}  // namespace fewbits::codec
