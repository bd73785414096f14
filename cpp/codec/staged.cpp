#include "codec/staged.h"

#include "codec/common.h"
#include "codec/packing.h"
#include "codec/tables.h"

namespace fewbits::codec {
namespace {

// How many standard deviations a vector may gain by its other planes and still be found in the first stage.
constexpr float margin_deviations = 3.0f;

// Bit j of entry n says whether weight j counts as +half or -half.
void fill_table(const float* weights, std::size_t count, float half, float* table) {
    table[0] = 0;
    for (std::size_t j = 0; j < count; ++j) table[0] -= weights[j] * half;
    for (std::uint32_t n = 1; n < 16; ++n) {
        const auto lowest = static_cast<std::size_t>(__builtin_ctz(n));
        const float flipped = lowest < count ? 2 * half * weights[lowest] : 0.0f;
        table[n] = table[n & (n - 1)] + flipped;
    }
}

void plane_sums(const kernels::Rows& rows, const std::uint8_t* high, std::size_t high_stride) {
    kernels::active().rows_planes(rows, high, high_stride, 4);
}

}  // namespace

bool is_staged(const Parts& parts, const std::string& prefix) {
    const std::string name = prefix + ".staged";
    return parts.params.count(name) > 0 && parts.param(name, 0, 1) == 1;
}

StagedCodec::StagedCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual)
    : ScalarCodec(parts, prefix, dim, metric, residual) {
    if (bits_ != 4) corrupt("param '" + prefix + ".staged': got 1 with 8 bits, expected 4 bits");
}

CodeLayout StagedCodec::layout() const {
    CodeLayout layout = ScalarCodec::layout();
    layout.elements = static_cast<std::uint32_t>(nibbles());
    layout.rest_bytes = static_cast<std::uint32_t>(3 * plane_bytes(dim_));
    return layout;
}

void StagedCodec::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    pack_planes(codes, dim_, row);
}
void StagedCodec::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    unpack_planes(row, dim_, codes);
}

void (*StagedCodec::scan_kernel() const)(const kernels::Scan&) {
    return kernels::active().scan4;
}

QueryTerms StagedCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim_), tables(nibbles() * 16);
    const float constant = weigh(query, weights.data());
    for (std::size_t s = 0; s < nibbles(); ++s)
        fill_table(weights.data() + 4 * s, std::min<std::size_t>(4, dim_ - 4 * s), model_->half, &tables[16 * s]);
    QueryTerms terms = quantize_tables(tables.data(), nibbles(), 16, table);
    const float planes = model_->half_deviation * model_->half_deviation * squared_norm(weights.data(), dim_);
    const float rounding = terms.scale * terms.scale * static_cast<float>(nibbles()) / 12;
    terms.offset += margin_deviations * std::sqrt(planes + rounding);
    terms.constant = constant;
    return terms;
}

void StagedCodec::sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                           std::int32_t* sums) const {
    const std::size_t plane = plane_bytes(dim_);
    std::vector<std::uint8_t> high(n * plane);
    for (std::size_t i = 0; i < n; ++i) std::copy_n(codes.base + rows[i] * codes.stride, plane, &high[i * plane]);
    plane_sums(
        {codes.base + plane, codes.stride, rows, static_cast<std::uint32_t>(n), dim_, levels_.data(), query, sums},
        high.data(), plane);
}

void StagedCodec::refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                         kernels::ScanQuery& query, std::size_t first) const {
    const QueryTerms& terms = *reinterpret_cast<const QueryTerms*>(row_query);
    const auto* integers = reinterpret_cast<const std::int16_t*>(row_query + sizeof(QueryTerms));
    const auto elements = static_cast<std::uint32_t>(nibbles());
    const std::size_t plane = plane_bytes(dim_);
    std::vector<std::uint8_t> high(std::min(rows_at_once, query.count - first) * plane);
    std::uint32_t vectors[rows_at_once];
    std::int32_t sums[rows_at_once];
    std::size_t kept = first;
    while (first < query.count) {
        const std::size_t count = std::min(rows_at_once, query.count - first);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t v = vectors[i] = query.hits[first + i].row - scan.first_row;
            const std::uint32_t block = v / kernels::block_size * kernels::block_size;
            const std::uint8_t* codes = scan.codes + kernels::blocks_bytes(4, elements, block);
            kernels::active().extract4(codes, std::min(kernels::block_size, scan.n - block), elements, v - block,
                                       &high[i * plane]);
        }
        plane_sums(
            {rest.base, rest.stride, vectors, static_cast<std::uint32_t>(count), dim_, levels_.data(), integers, sums},
            high.data(), plane);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t v = vectors[i];
            const float full = score_of(sums[i], terms, scan.a[v], scan.b ? scan.b + v : nullptr, query.constant);
            // Capped by the first stage: a vector that an early, low threshold let pass must not win over one that a
            // later threshold dropped unseen.
            const kernels::Hit hit{query.hits[first + i].row, std::min(query.hits[first + i].score, full)};
            if (hit.score >= query.threshold) query.hits[kept++] = hit;
        }
        first += count;
    }
    query.count = kept;
}

}  // namespace fewbits::codec
