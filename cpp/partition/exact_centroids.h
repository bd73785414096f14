// Centroids in the layout of the tile kernels: unchanged for distances (score <x, c> - |c|^2 / 2), as directions if
// spherical (score <x, c> / |c|). The direction of a zero centroid is 0, so nothing divides by zero.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "kernels/kernels.h"

namespace fewbits {

// Per centroid: -|c|^2 / 2, or |c| (spherical).
std::vector<float> centroid_terms(MatrixView centroids, bool spherical);
void directions(MatrixView centroids, const std::vector<float>& norms, float* out);
std::vector<float> mean_of(MatrixView rows);

class ExactCentroids {
public:
    ExactCentroids() = default;
    ExactCentroids(MatrixView centroids, bool spherical);

    std::uint32_t k() const { return k_; }
    std::uint32_t dim() const { return dim_; }
    bool spherical() const { return spherical_; }

    static constexpr std::size_t batch = 512;  // efficient number of rows per call of best()

    // The best centroid of each of n rows and its score (larger is nearer); the first on ties. scores may be null.
    void best(const float* x, std::size_t n, std::uint32_t* lists, float* scores = nullptr) const;

    // scores[i * count + c] is that of row i and centroid first + c; first is a multiple of 32.
    void scores(const float* x, std::size_t n, std::uint32_t first, std::uint32_t count, float* scores) const;
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
