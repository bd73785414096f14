// Product quantizer codebooks by k-means in each subspace.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "base/parallel.h"

namespace fewbits {

// Sub-quantizer s codes dimensions [pq_begin(s), pq_begin(s + 1)): any dim, any m <= dim.
constexpr std::uint32_t pq_begin(std::uint32_t s, std::uint32_t m, std::uint32_t dim) {
    return static_cast<std::uint32_t>(std::uint64_t{s} * dim / m);
}
constexpr std::uint32_t pq_width(std::uint32_t m, std::uint32_t dim) {
    return (dim + m - 1) / m;
}  // of the widest subspace

// (m, 2^bits, pq_width) row-major, zero-padded in narrower subspaces. x: the vectors (or residuals) to be coded.
// initial: a codebook to start from (OPQ's alternations), or null.
std::vector<float> pq_train(MatrixView x, std::uint32_t m, std::uint32_t bits, std::uint32_t iterations,
                            std::uint64_t seed, unsigned threads, const float* initial, const Progress& progress = {});

}  // namespace fewbits
