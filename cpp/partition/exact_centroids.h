// Centroids laid out for the tile kernels: by distance as they are (score <x, c> - |c|^2 / 2), spherical as directions
// (score <x, c> / |c|). A zero centroid has the direction 0, so nothing here divides by zero.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "kernels/kernels.h"

namespace fewbits {

class ExactCentroids {
public:
    ExactCentroids() = default;
    ExactCentroids(MatrixView centroids, bool spherical);

    std::uint32_t k() const { return k_; }
    std::uint32_t dim() const { return dim_; }
    bool spherical() const { return spherical_; }

    static constexpr std::size_t batch = 512;  // rows that a call of best() works well with

    // The best centroid of each of n rows and its score (greater is nearer); the first on ties. scores may be null.
    void best(const float* x, std::size_t n, std::uint32_t* lists, float* scores = nullptr) const;

    // scores[i * count + c] of row i and centroid first + c; first is a multiple of 32.
    void scores(const float* x, std::size_t n, std::uint32_t first, std::uint32_t count, float* scores) const;
    // Per centroid: -|c|^2 / 2, or |c| (spherical).
    const std::vector<float>& terms() const { return terms_; }

private:
    kernels::Tile tile(const float* x, std::size_t n, std::uint32_t first, std::uint32_t count) const;

    std::uint32_t k_ = 0;
    std::uint32_t dim_ = 0;
    bool spherical_ = false;
    std::vector<float> blocks_;
    std::vector<float> terms_;
};

}  // namespace fewbits
