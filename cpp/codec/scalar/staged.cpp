#include "codec/scalar/staged.h"

#include "codec/common.h"
#include "codec/integer_rows.h"
#include "codec/packing.h"

namespace fewbits::codec {

Staging staging_of(const Parts& parts, const std::string& prefix, Staging absent) {
    const std::string name = prefix + ".staged";
    return parts.params.count(name) > 0 ? static_cast<Staging>(parts.param(name, 0, 2)) : absent;
}

StagedCodec::StagedCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual)
    : ScalarCodec(parts, prefix, dim, metric, residual),
      staging_(staging_of(parts, prefix, Staging::none)),
      planes_(dim, 4, levels_) {
    if (bits_ != 4) corrupt("param '" + prefix + ".staged': got 1 with 8 bits, expected 4 bits");
}

CodeLayout StagedCodec::layout() const {
    CodeLayout layout = ScalarCodec::layout();
    planes_.set_layout(layout);
    layout.has_stage = staging_ == Staging::own_factor;
    return layout;
}

void StagedCodec::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    pack_planes(codes, dim_, 4, row);
}
void StagedCodec::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    unpack_planes(row, dim_, 4, codes);
}

void (*StagedCodec::scan_kernel() const)(const kernels::Scan&) {
    return kernels::active().scan4;
}

QueryTerms StagedCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    QueryTerms terms = staging_ == Staging::own_factor ? planes_.optimistic_terms(weights.data(), table)
                                                       : planes_.optimistic_terms(weights.data(), *model_, 1, table);
    terms.constant = constant;
    return terms;
}

std::size_t StagedCodec::row_query_bytes() const {
    return integer_query_bytes(dim_);
}

void StagedCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    const bool as_scanned = staging_ == Staging::own_factor && spread(weights.data(), dim_) <= widest_spread;
    prepare_integer_query(weights.data(), dim_, 127, outermost_level, constant, row_query,
                          as_scanned ? scan_limit : row_limit);
}

void StagedCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                             std::size_t n, float* scores) const {
    score_integer_rows(row_query, codes, rows, n, scores,
                       [&](const std::uint32_t* numbers, std::size_t count, std::int32_t* sums) {
                           sum_rows(query_integers(row_query), codes, numbers, count, sums);
                       });
}

std::shared_ptr<const Codec> make_scalar(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual) {
    if (staging_of(parts, prefix, Staging::none) == Staging::none)
        return std::make_shared<const ScalarCodec>(parts, prefix, dim, metric, residual);
    return std::make_shared<const StagedCodec>(parts, prefix, dim, metric, residual);
}

}  // namespace fewbits::codec
