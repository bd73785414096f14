// Codes in two stages: blocks hold the high bit plane of all dimensions, and a separate row per vector holds the planes
// below it. A scan reads the blocks and scores optimistically; vectors that may still be among the best are then scored
// from all planes. The final scores are bit for bit those of score_rows.
//
// The vectors that are found do not depend on the order of the scan: a vector is ranked by min(promise, score), where
// the promise is its optimistic score. This number depends on the vector and the query alone, so the k best by it are a
// fixed set. None of them is ever dropped: a threshold is at most the k-th best such number of all vectors, hence not
// above theirs, nor above their promises. The k remaining vectors then get the scores of their whole codes.
//
// Row form: the high plane, then the others, high first.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "codec/scalar/levels.h"

namespace fewbits::codec {

class Planes {
public:
    // levels: 2^bits, each 0..255.
    Planes(std::uint32_t dim, std::uint32_t bits, std::vector<std::uint8_t> levels)
        : dim_(dim), bits_(bits), levels_(std::move(levels)) {}

    std::uint32_t nibbles() const { return (dim_ + 3) / 4; }
    std::uint32_t plane() const { return (dim_ + 7) / 8; }  // bytes
    std::size_t table_bytes() const { return std::size_t{nibbles()} * 16; }
    void set_layout(CodeLayout& layout) const;

    // Tables of the high plane for scan4, of entries up to `largest`: bit 1 counts as +half, 0 as -half, times the
    // weight.
    QueryTerms high_terms(const float* weights, float half, std::uint8_t* table, int largest = 255) const;
    // Signs times the weights, plus a margin for what a vector may gain from the other planes. For codes whose first
    // stage has its own factor, which makes the product of the signs with the vector itself exact.
    QueryTerms optimistic_terms(const float* weights, std::uint8_t* table) const;
    // The same for a first stage that shares the factor of the whole code, so that a sign stands for the model's half.
    // Levels are `unit` times the model's.
    QueryTerms optimistic_terms(const float* weights, const LevelModel& model, float unit, std::uint8_t* table) const;

    // Sums of query times level for n <= rows_at_once listed rows in row form; bits >= 2.
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const;
    // Codec::refine, for codes with the row queries of integer_rows.h.
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const;

private:
    QueryTerms with_margin(QueryTerms terms, const float* weights, float variance) const;
    void plane_sums(const RowCodes& rest, const std::uint32_t* rows, std::size_t n, const std::int16_t* query,
                    const std::uint8_t* high, std::int32_t* sums) const;

    std::uint32_t dim_, bits_;
    std::vector<std::uint8_t> levels_;
};

}  // namespace fewbits::codec
