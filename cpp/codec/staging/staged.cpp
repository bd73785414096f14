#include "codec/staging/staged.h"

#include <algorithm>

#include "codec/integer_rows.h"
#include "codec/packing.h"
#include "codec/residuals.h"

namespace fewbits::codec {

Staging staging_of(const Parts& parts, const std::string& prefix, Staging absent) {
    const std::string name = prefix + ".staged";
    return parts.params.count(name) > 0 ? static_cast<Staging>(parts.param(name, 0, 2)) : absent;
}

StagedCodec::StagedCodec(std::shared_ptr<const LevelCodec> whole, Levels levels, Staging staging)
    : whole_(std::move(whole)),
      levels_(std::move(levels)),
      staging_(staging),
      planes_(whole_->dim(), levels_.bits, levels_.values) {}

CodeLayout StagedCodec::layout() const {
    CodeLayout layout = whole_->layout();
    planes_.set_layout(layout);
    layout.has_stage = has_own_factor();
    return layout;
}

void StagedCodec::encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const {
    whole_->encode_rows(
        x, origin, rows, layout().row_bytes(), factors,
        [&](const std::uint8_t* codes, std::uint8_t* row) { pack_planes(codes, dim(), levels_.bits, row); });
}

void StagedCodec::decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                         float* x) const {
    whole_->decode_rows(
        rows, layout().row_bytes(), factors, origin, n, x,
        [&](const std::uint8_t* row, std::uint8_t* codes) { unpack_planes(row, dim(), levels_.bits, codes); });
}

void (*StagedCodec::scan_kernel() const)(const kernels::Scan&) {
    return kernels::active().scan4;
}

QueryTerms StagedCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim());
    const float constant = whole_->weigh(query, weights.data());
    QueryTerms terms = has_own_factor() ? planes_.optimistic_terms(weights.data(), table)
                                        : planes_.optimistic_terms(weights.data(), levels_.model, levels_.unit, table);
    terms.constant = constant;
    return terms;
}

std::size_t StagedCodec::row_query_bytes() const {
    return integer_query_bytes(dim());
}

void StagedCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> weights(dim());
    const float constant = whole_->weigh(query, weights.data());
    const bool as_scanned = has_own_factor() && !whole_->is_wide(weights);
    prepare_integer_query(weights.data(), dim(), levels_.largest(), levels_.center, constant, row_query,
                          as_scanned ? scan_limit : row_limit);
}

void StagedCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                             std::size_t n, float* scores) const {
    score_integer_rows(row_query, codes, rows, n, scores,
                       [&](const std::uint32_t* numbers, std::size_t count, std::int32_t* sums) {
                           planes_.sum_rows(query_integers(row_query), codes, numbers, count, sums);
                       });
}

}  // namespace fewbits::codec
