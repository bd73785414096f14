// Fixed-dimensional encodings (MUVERA, arXiv 2405.19504): a set of vectors becomes one vector, so that the inner
// product of a query's and a document's approximates their Chamfer similarity, times the number of repetitions.
//
// Each repetition splits space into 2^bits buckets by the signs of random directions (bit i of a bucket's number is
// direction i's). A query's part of a bucket is the sum of its tokens there; a document's is their mean or, with fill
// where there are none, the token whose signs differ least (the first of those). So with fill and no projection an
// inner product is never above repetitions times Chamfer. Buckets are then projected.
//
// Means shrink as a bucket holds more tokens, so that documents of many tokens seem to be less similar. length_fair
// stretches a mean to the mean length of its tokens (both after the projection, if that goes before sums).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "multivector/projection.h"
#include "multivector/sets.h"
#include "multivector/simhash.h"

namespace fewbits {

struct FdeParams {
    std::uint32_t dim = 0;
    std::uint32_t repetitions = 1;
    std::uint32_t simhash_bits = 0;
    DirectionKind directions = DirectionKind::hadamard;
    ProjectionKind projection = ProjectionKind::none;
    std::uint32_t projection_dim = 0;  // dim without a projection
    std::uint32_t final_dim = 0;       // 0: none; else a count sketch of the whole
    bool fill_empty = true;
    bool length_fair = true;
    std::uint64_t seed = 0;
};

class Fde {
public:
    explicit Fde(const FdeParams& params);

    std::size_t dims() const noexcept { return params_.final_dim > 0 ? params_.final_dim : encoded_dims(); }

    // out: sets x dims(). The same bits for any number of threads and any other sets beside a set.
    void encode_queries(const SetsView& queries, float* out, unsigned threads) const;
    void encode_documents(const SetsView& documents, float* out, unsigned threads) const;

private:
    struct Scratch;

    std::size_t buckets() const noexcept { return std::size_t{1} << params_.simhash_bits; }
    std::size_t encoded_dims() const noexcept { return buckets() * params_.repetitions * params_.projection_dim; }
    void encode(const SetsView& sets, bool document, float* out, unsigned threads) const;
    void encode_set(MatrixView tokens, bool document, Scratch& scratch, float* out) const;
    void find_fillers(const std::uint32_t* bucket, std::size_t tokens, Scratch& scratch) const;
    void sum_lengths(MatrixView x, std::size_t stride, const std::uint32_t* bucket, Scratch& scratch) const;
    void aggregate(MatrixView x, std::size_t stride, const std::uint32_t* bucket, bool document, Scratch& scratch,
                   float* out) const;

    FdeParams params_;
    std::optional<SimHash> simhash_;
    std::optional<DenseProjection> dense_;
    std::optional<SketchProjection> sketch_;
    std::vector<std::uint32_t> final_place_;  // of each encoded dimension: output * 2 + (1 if negated)
};

}  // namespace fewbits
