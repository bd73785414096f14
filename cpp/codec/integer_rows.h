// Exact scores of listed rows by a 12-bit query: what rerank stores and the second stage of staged codes share. A
// prepared query is its terms, then the query as int16 up to a multiple of 4 bytes: one after the other they stay
// aligned.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/query.h"
#include "codec/range.h"
#include "codec/residuals.h"

namespace fewbits::codec {

inline std::size_t integer_query_bytes(std::size_t dim) {
    return sizeof(QueryTerms) + (dim + 1) / 2 * 2 * sizeof(std::int16_t);
}

inline const QueryTerms& query_terms(const std::uint8_t* row_query) {
    return *reinterpret_cast<const QueryTerms*>(row_query);
}
inline const std::int16_t* query_integers(const std::uint8_t* row_query) {
    return reinterpret_cast<const std::int16_t*>(row_query + sizeof(QueryTerms));
}

// Beyond these a typical weight is but a few steps of the integers that a query becomes. Weights of ordinary data
// spread by 5 to 12.
inline constexpr float widest_spread = 16;      // in a scan
inline constexpr float widest_row_spread = 64;  // over rows

// The largest magnitude over a typical one: a mean of roots, which a few large ones hardly move.
inline float spread(const float* weights, std::size_t n) {
    float roots = 0;
    for (std::size_t j = 0; j < n; ++j) roots += std::sqrt(std::fabs(weights[j]));
    const float typical = roots / static_cast<float>(n) * (roots / static_cast<float>(n));
    return typical > 0 ? largest_magnitude(weights, n) / typical : 1.0f;
}

inline constexpr int scan_limit = 127;  // a query's integers in a scan of whole codes
inline constexpr int row_limit = 2047;  // and over rows

// weights times (level - center), plus the constant. largest_level bounds the query where sums would leave int32.
inline void prepare_integer_query(const float* weights, std::size_t dim, int largest_level, float center,
                                  float constant, std::uint8_t* row_query, int limit = row_limit) {
    const auto max_integer = static_cast<int>(std::min<std::size_t>(
        static_cast<std::size_t>(limit),
        std::numeric_limits<std::int32_t>::max() / (static_cast<std::size_t>(largest_level) * dim)));
    QueryTerms& terms = *reinterpret_cast<QueryTerms*>(row_query);
    auto* integers = reinterpret_cast<std::int16_t*>(row_query + sizeof(QueryTerms));
    std::int64_t sum;
    terms.constant = constant;
    terms.b_scale = 1;
    terms.scale = quantize_query(weights, dim, max_integer, integers, sum);
    terms.offset = -center * static_cast<float>(sum) * terms.scale;
}

// scores[i] of row rows[i]; sums_of(numbers, count, sums) gives sums of query times level of at most rows_at_once rows.
template <class Sums>
void score_integer_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                        float* scores, const Sums& sums_of) {
    const QueryTerms& terms = query_terms(row_query);
    std::uint32_t numbers[rows_at_once];
    std::int32_t sums[rows_at_once];
    for (std::size_t first = 0; first < n; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, n - first);
        for (std::size_t i = 0; i < count; ++i)
            numbers[i] = rows ? rows[first + i] : static_cast<std::uint32_t>(first + i);
        sums_of(numbers, count, sums);
        for (std::size_t i = 0; i < count; ++i) {
            const float* b = codes.b ? codes.b + numbers[i] : nullptr;
            scores[first + i] = score_of(sums[i], terms, codes.a[numbers[i]], b, terms.b_scale, terms.constant);
        }
    }
}

// The same of codes whose level is the code; unpack(row, out) gives the dim codes of a row, a byte each.
template <class Unpack>
void score_unpacked_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                         std::uint32_t dim, float* scores, const Unpack& unpack) {
    std::vector<std::uint8_t> unpacked(rows_at_once * dim);
    score_integer_rows(
        row_query, codes, rows, n, scores, [&](const std::uint32_t* numbers, std::size_t count, std::int32_t* sums) {
            for (std::size_t i = 0; i < count; ++i) unpack(codes.base + numbers[i] * codes.stride, &unpacked[i * dim]);
            kernels::active().rows_dot8({unpacked.data(), dim, nullptr, static_cast<std::uint32_t>(count), dim, nullptr,
                                         query_integers(row_query), sums});
        });
}

}  // namespace fewbits::codec
