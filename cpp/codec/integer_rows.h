// Scores of listed rows by a 12-bit query, shared by rerank stores and the second stage of staged codes. A prepared
// query consists of its terms and the query as int16, padded to a multiple of 4 bytes so that consecutive queries stay
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

// Beyond these limits, a typical weight is only a few steps of the integer query. Weights of ordinary data have spreads
// of 5 to 12.
inline constexpr float widest_spread = 16;      // in a scan
inline constexpr float widest_row_spread = 64;  // for rows

// The largest magnitude divided by a typical one: the squared mean of roots, which a few large weights hardly change.
inline float spread(const float* weights, std::size_t n) {
    float roots = 0;
    for (std::size_t j = 0; j < n; ++j) roots += std::sqrt(std::fabs(weights[j]));
    const float typical = roots / static_cast<float>(n) * (roots / static_cast<float>(n));
    return typical > 0 ? largest_magnitude(weights, n) / typical : 1.0f;
}

inline constexpr int scan_limit = 127;  // the largest integer of a query in a scan of whole codes
inline constexpr int row_limit = 2047;  // and for rows

// Scores are weights times (level - center), plus the constant. The integers of the query are limited such that sums
// over levels up to largest_level fit in int32.
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

// scores[i] is the score of row rows[i]; sums_of(numbers, count, sums) computes the sums of query times level for at
// most rows_at_once rows.
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

// The same for codes that are their own levels; unpack(row, out) writes the dim codes of a row, one byte each.
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
