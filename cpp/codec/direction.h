// Vectors that lie in a cone, as the embeddings of many encoders do: their mean is long, and by far the most of every
// inner product. A code that has to carry it spends its bits on what all vectors share.
//
// So a vector is split along the mean's direction u: x = t u + s. Factor b holds t = <x, u> as it is, codes are of s
// alone, and a query's product is <q, u> t + <q - <q, u> u, s>. Whatever codec codes s need not know. Under metric ip.
//
// Codes of residuals x - c: b holds <x - c, u>, and what the codes of the rest miss of their product with c's rest is
// known, call it e. A query is like its lists' centroids in that it has about <q, u> / <c, u> times what they have, so
// b takes that in: <x - c, u> + e / <c, u>. Codes of whole vectors: the same with the vector itself for its centroid.
#pragma once

#include <vector>

#include "codec/codec.h"

namespace fewbits::codec {

class DirectionCodec final : public Codec {
public:
    // inner: of what is left; `direction` is of length 1. corrects: whether b takes in what codes miss of the vector
    // itself, too, which pays where they are of the vectors nearest to it.
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
    // Takes the part along u out of x; returns how much it was.
    float split(float* x) const;
    void missed(const std::uint8_t* codes, const Factors& own, const float* origin, const float* of, Matrix<float> s,
                float* out) const;

    std::shared_ptr<const Codec> inner_;
    bool corrects_;
    std::vector<float> direction_;
};

}  // namespace fewbits::codec
