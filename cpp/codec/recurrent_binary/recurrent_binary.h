// Recurrent binary embeddings: a few signs per dimension (binarizer.h), for vectors and, if symmetric, for queries too.
// A score is the cosine of two codes, whose product is an exact sum of small integers (symmetric distance calculation),
// or the cosine of a query's projection and a code. Both are computed by the same table scan: a half byte holds 4, 2 or
// 1 dimensions, and its table holds their products with the query.
//
// Scores are multiplied by the encoder's weight (array "<prefix>.weight", default 1), so that they are comparable
// within an index that holds codes of two encoders.
//
// The elements of a code are half bytes with as many dimensions as fit, earlier ones in the lower bits. Codes of 3 bits
// are split: first the half bytes of the highest bit, then those of the other two.
#pragma once

#include <vector>

#include "codec/codec.h"
#include "codec/recurrent_binary/binarizer.h"

namespace fewbits::codec {

class RecurrentBinaryCodec final : public Codec {
public:
    RecurrentBinaryCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                         bool residual);

    std::uint32_t dim() const override { return binarizer_.dim(); }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    std::size_t table_bytes() const override { return std::size_t{elements()} * 16; }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;

    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;

private:
    // Bits shift .. shift + width - 1 of every dimension's code, in half bytes.
    struct Section {
        std::uint32_t width, shift;
        std::uint32_t each() const { return 4 / width; }  // dimensions per half byte
    };

    int largest() const { return (1 << binarizer_.bits()) - 1; }  // largest level, and largest code
    std::uint32_t elements() const;
    void pack(const std::uint8_t* codes, std::uint8_t* row) const;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const;
    std::vector<float> query_values(const float* query) const;

    float length(const float* x) const;

    Binarizer binarizer_;
    bool lengths_;  // vectors and queries lack a component (direction.h), so they are not of unit length
    bool symmetric_;
    float weight_ = 1;
    std::vector<Section> sections_;
};

}  // namespace fewbits::codec
