#include "partition/exact_centroids.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"
#include "base/norm.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"

namespace fewbits {
std::vector<float> centroid_terms(MatrixView centroids, bool spherical) {
    std::vector<float> terms(centroids.rows);
    for (std::size_t c = 0; c < centroids.rows; ++c) {
        const double squared = squared_length(centroids.row(c), centroids.cols);
        terms[c] = static_cast<float>(spherical ? std::sqrt(squared) : -squared / 2);
    }
    return terms;
}

void directions(MatrixView centroids, const std::vector<float>& norms, float* out) {
    for (std::size_t c = 0; c < centroids.rows; ++c) {
        const double scale = norms[c] > 0 ? 1 / double{norms[c]} : 0;
        for (std::size_t j = 0; j < centroids.cols; ++j)
            *out++ = static_cast<float>(double{centroids.row(c)[j]} * scale);
    }
}

std::vector<float> mean_of(MatrixView rows) {
    std::vector<double> sum(rows.cols);
    for (std::size_t i = 0; i < rows.rows; ++i)
        for (std::size_t j = 0; j < rows.cols; ++j) sum[j] += double{rows.row(i)[j]};
    std::vector<float> mean(rows.cols);
    for (std::size_t j = 0; j < rows.cols; ++j) mean[j] = static_cast<float>(sum[j] / static_cast<double>(rows.rows));
    return mean;
}

ExactCentroids::ExactCentroids(MatrixView centroids, bool spherical)
    : k_(static_cast<std::uint32_t>(centroids.rows)),
      dim_(static_cast<std::uint32_t>(centroids.cols)),
      spherical_(spherical),
      terms_(centroid_terms(centroids, spherical)) {
    if (spherical) {
        std::vector<float> units(centroids.size());
        directions(centroids, terms_, units.data());
        blocks_ = pack_floats({units.data(), centroids.rows, centroids.cols});
    } else {
        blocks_ = pack_floats(centroids);
    }
}

kernels::Tile ExactCentroids::tile(const float* x, std::size_t n, std::uint32_t first, std::uint32_t count) const {
    return {x,
            dim_,
            static_cast<std::uint32_t>(n),
            dim_,
            blocks_.data() + std::size_t{first} * dim_,
            count,
            spherical_ ? nullptr : terms_.data() + first};
}

void ExactCentroids::best(const float* x, std::size_t n, std::uint32_t* lists, float* scores) const {
    float unwanted[batch];
    for (std::size_t first = 0; first < n; first += batch) {
        const std::size_t rows = std::min(batch, n - first);
        poll(rows * blocks_.size() * sizeof(float));
        kernels::active().tile_best(tile(x + first * dim_, rows, 0, k_), lists + first,
                                    scores ? scores + first : unwanted);
    }
}

void ExactCentroids::scores(const float* x, std::size_t n, std::uint32_t first, std::uint32_t count,
                            float* scores) const {
    poll(n * count * dim_ * sizeof(float));
    kernels::active().tile_dot(tile(x, n, first, count), scores, count);
}

}  // namespace fewbits
