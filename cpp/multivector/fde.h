// Fixed-dimensional encodings (MUVERA, arXiv 2405.19504): a set of vectors becomes one vector, such that the inner
// product of the encodings of a query and a document approximates their Chamfer similarity times the number of
// repetitions.
//
// Each repetition splits space into 2^bits buckets by the signs of products with random directions (bit i of a bucket's
// number belongs to direction i). For each bucket, the encoding of a query contains the sum of its tokens there. The
// encoding of a document contains their mean or, if there are none and fill_empty is set, the token whose signs differ
// least (the first of these). With fill_empty and without a projection, an inner product is thus at most the number of
// repetitions times Chamfer similarity. Buckets are then projected.
//
// Means shrink as a bucket holds more tokens, so that documents of many tokens seem less similar than they are.
// length_fair stretches a mean to the mean length of its tokens (after the projection, if that comes before the sums).
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
    std::uint32_t projection_dim = 0;  // dim if there is no projection
    std::uint32_t final_dim = 0;       // 0: none; otherwise a count sketch of the whole encoding
    bool fill_empty = true;
    bool length_fair = true;
    std::uint64_t seed = 0;
};

class Fde {
public:
    explicit Fde(const FdeParams& params);

    std::size_t dims() const noexcept { return params_.final_dim > 0 ? params_.final_dim : encoded_dims(); }

    // out: sets x dims(). The bits of a set depend neither on the number of threads nor on the other sets.
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
    std::vector<std::uint32_t> final_place_;  // per encoded dimension: output * 2 + (1 if negated)
};

}  // namespace fewbits
