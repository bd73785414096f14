#include "codec/staging/planes.h"

#include "codec/integer_rows.h"
#include "codec/query.h"
#include "codec/residuals.h"
#include "codec/sums.h"
#include "codec/tables.h"

namespace fewbits::codec {
namespace {

// The number of standard deviations that a vector may gain from its other planes and still be found by the first stage.
constexpr float margin_deviations = 2.85f;

// Entries of the first stage's tables. Two of them fit a byte, which scan4 makes use of; the margin covers what
// rounding adds.
constexpr int first_stage_largest = 127;

// The squared error of signs for a normally distributed vector, relative to their own squared length: 1 - 2 / pi.
constexpr float sign_variance = 0.36338f;

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

}  // namespace

void Planes::set_layout(CodeLayout& layout) const {
    layout.element_bits = 4;
    layout.elements = nibbles();
    layout.rest_bytes = (bits_ - 1) * plane();
}

QueryTerms Planes::high_terms(const float* weights, float half, std::uint8_t* table, int largest) const {
    std::vector<float> tables(table_bytes());
    for (std::size_t s = 0; s < nibbles(); ++s)
        fill_table(weights + 4 * s, std::min<std::size_t>(4, dim_ - 4 * s), half, &tables[16 * s]);
    return quantize_tables(tables.data(), nibbles(), 16, table, std::numeric_limits<float>::infinity(), largest);
}

QueryTerms Planes::optimistic_terms(const float* weights, const LevelModel& model, float unit,
                                    std::uint8_t* table) const {
    const float deviation = unit * model.half_deviation;
    return with_margin(high_terms(weights, unit * model.half, table, first_stage_largest), weights,
                       deviation * deviation);
}

QueryTerms Planes::optimistic_terms(const float* weights, std::uint8_t* table) const {
    return with_margin(high_terms(weights, 1, table, first_stage_largest), weights, sign_variance);
}

QueryTerms Planes::with_margin(QueryTerms terms, const float* weights, float variance) const {
    const float below = variance * squared_norm(weights, dim_);
    const float rounding = terms.scale * terms.scale * static_cast<float>(nibbles()) / 12;
    terms.offset += margin_deviations * std::sqrt(below + rounding);
    return terms;
}

void Planes::plane_sums(const RowCodes& rest, const std::uint32_t* rows, std::size_t n, const std::int16_t* query,
                        const std::uint8_t* high, std::int32_t* sums) const {
    kernels::active().rows_planes(
        {rest.base, rest.stride, rows, static_cast<std::uint32_t>(n), dim_, levels_.data(), query, sums}, high, plane(),
        bits_);
}

void Planes::sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                      std::int32_t* sums) const {
    std::vector<std::uint8_t> high(n * plane());
    for (std::size_t i = 0; i < n; ++i) std::copy_n(codes.base + rows[i] * codes.stride, plane(), &high[i * plane()]);
    plane_sums({codes.base + plane(), codes.stride, nullptr, nullptr}, rows, n, query, high.data(), sums);
}

void Planes::refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                    kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const {
    const QueryTerms& terms = query_terms(row_query);
    std::uint8_t high[8192];
    const std::size_t at_once = std::min(rows_at_once, sizeof high / plane());
    std::uint32_t vectors[rows_at_once];
    std::int32_t sums[rows_at_once];
    std::size_t kept = first;
    while (first < query.count) {
        const std::size_t count = std::min(at_once, query.count - first);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t v = vectors[i] = query.hits[first + i].row - scan.first_row;
            for (std::size_t at = 0; at < rest.stride; at += 64) __builtin_prefetch(rest.base + v * rest.stride + at);
            __builtin_prefetch(rest.a + v);
            const std::uint32_t block = v / kernels::block_size * kernels::block_size;
            const std::uint8_t* codes = scan.codes + kernels::blocks_bytes(4, nibbles(), block);
            kernels::active().extract4(codes, std::min(kernels::block_size, scan.n - block), nibbles(), v - block,
                                       &high[i * plane()]);
        }
        plane_sums(rest, vectors, count, query_integers(row_query), high, sums);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t v = vectors[i];
            const float* b = scan.b ? scan.b + v : nullptr;
            const float score = score_of(sums[i], terms, rest.a[v], b, query.b_scale, query.constant);
            kernels::Hit hit = query.hits[first + i];
            const bool exceeds = exceeding && score > hit.score;
            if (!exceeds) hit.score = score;
            if (!(hit.score >= query.threshold)) continue;
            query.hits[kept++] = hit;
            if (exceeds) exceeding->push_back({hit.row, score});
        }
        first += count;
    }
    query.count = kept;
}

}  // namespace fewbits::codec
