// Lloyd's iterations. Early iterations use a growing random part of the points, as their centroids move far anyway.
// Means are sums over the members of a cluster in a fixed order, one task per cluster, so that results do not depend on
// the number of threads.
#include "partition/kmeans.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "base/row_count.h"
#include "partition/assign.h"
#include "partition/clusters.h"
#include "partition/exact_centroids.h"

namespace fewbits {
namespace {

constexpr std::size_t least_points_per_centroid = 32;
constexpr std::uint32_t max_extra_iterations = 5;  // until clusters refilled by the last iterations have members

// Number of points used by iteration t: a quarter, then half, then all for the last 40 % of the iterations.
std::size_t points_seen(std::uint32_t t, std::uint32_t iterations, std::size_t n, std::size_t k) {
    const std::uint64_t left = iterations - t, tenths = 10 * left;
    const std::size_t wanted = left == 1 || tenths <= 4ull * iterations ? n
                               : tenths <= 7ull * iterations            ? n / 2
                                                                        : n / 4;
    return std::max(wanted, std::min(n, least_points_per_centroid * k));
}

}  // namespace

void check_kmeans(MatrixView x, const KMeansOptions& options) {
    constexpr std::uint32_t max_k = 1u << 24;
    if (options.k < 1 || options.k > max_k) fail("k: got " + std::to_string(options.k) + ", expected 1..16777216");
    require(x.rows > 0 && x.cols > 0, "x: got no vectors, expected at least one to train on");
    row_count(x.rows, "x");
    checked_mul(options.k, x.cols);
    require(options.initial.data == nullptr || (options.initial.rows == options.k && options.initial.cols == x.cols),
            "initial: expected k centroids of the dimension of x");
}

std::vector<float> kmeans(MatrixView x, const KMeansOptions& options, const Progress& progress) {
    check_kmeans(x, options);
    const std::size_t k = options.k, d = x.cols;
    const std::vector<std::uint32_t> order = shuffled(x.rows, options.seed);
    std::vector<float> centroids(k * d);
    for (std::size_t c = 0; c < k; ++c) std::copy_n(x.row(order[c % x.rows]), d, centroids.data() + c * d);
    if (k >= x.rows) return centroids;
    // Initial centroids would be lost if iterations used only a part of the points.
    const bool started = options.initial.data != nullptr;
    if (started) std::copy_n(options.initial.data, k * d, centroids.data());
    const auto seen_at = [&](std::uint32_t t) {
        return started ? x.rows : points_seen(t, options.iterations, x.rows, k);
    };

    double work = 0, done = 0;
    for (std::uint32_t t = 0; t < options.iterations; ++t) work += static_cast<double>(seen_at(t));

    Clusters clusters(x, order, k);
    std::size_t refilled = 0;
    const auto wanted = [&](std::uint32_t t) {
        return t < options.iterations || (refilled > 0 && t < options.iterations + max_extra_iterations);
    };
    for (std::uint32_t t = 0; wanted(t); ++t) {
        const std::size_t seen = seen_at(std::min(t, options.iterations - 1));
        const auto so_far = [&](double fraction) {
            return std::min(1.0, (done + fraction * static_cast<double>(seen)) / work);
        };
        Progress within;
        if (progress) within = [&](double fraction) { progress(so_far(fraction)); };
        const ExactCentroids search({centroids.data(), k, d}, options.spherical);
        const std::size_t moved = clusters.assign(search, seen, options.threads, within);
        if (moved > 0)
            refilled = clusters.update(centroids.data(), random_bits(options.seed, x.rows + t), options.threads);
        done += static_cast<double>(seen);
        if (moved <= seen / 1000 && seen == x.rows && refilled == 0) break;
    }
    return centroids;
}

}  // namespace fewbits
