// Codes in two stages: blocks hold the high bit plane of every dimension, and a row of its own what is below it. A scan
// reads the first and scores optimistically; what may still be among the best is scored from all planes, and those
// scores are bit for bit the ones that rows have by themselves.
//
// Which vectors are found does not depend on the order of the scan: a vector counts as min(promise, score), where the
// promise is its optimistic score. That is a number of the vector and the query alone, so the k best by it are a fixed
// set, and none of them is ever dropped: a threshold is at most the k-th best such number of all vectors, hence no more
// than theirs, and their promises are no less. Of the k that remain, scores are restored to those of the whole codes.
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

    // Tables of the high plane for scan4: bit 1 counts as +half, 0 as -half, times the weight.
    QueryTerms high_terms(const float* weights, float half, std::uint8_t* table) const;
    // Signs times the weights, optimistic by how much a vector may gain from the other planes, for codes whose first
    // stage has a factor of its own: the one by which its signs have the right product with the vector itself.
    QueryTerms optimistic_terms(const float* weights, std::uint8_t* table) const;
    // The same where it shares the factor of the whole code, so that signs are worth a level's expected value: half and
    // its deviation are those of levels that are `unit` times the model's.
    QueryTerms optimistic_terms(const float* weights, const LevelModel& model, float unit, std::uint8_t* table) const;

    // Sums of query times level of n <= rows_at_once listed rows in row form; bits >= 2.
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const;
    // Codec::refine, of codes whose row queries are integer_rows.h's.
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
