// k-means for many centroids: about sqrt(k) superclusters, k-means within each, and a few Lloyd iterations over all
// points, which are assigned through groups of centroids. An iteration costs n * sqrt(k) instead of n * k.
#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

#include "partition/clusters.h"
#include "partition/exact_centroids.h"
#include "partition/kmeans.h"
#include "partition/two_level_centroids.h"

namespace fewbits {
namespace {

constexpr std::size_t supercluster_points = 256;  // points sampled per supercluster
constexpr std::uint32_t refinements = 3;

std::vector<float> gather(MatrixView x, std::span<const std::uint32_t> rows) {
    std::vector<float> out(rows.size() * x.cols);
    for (std::size_t i = 0; i < rows.size(); ++i) std::copy_n(x.row(rows[i]), x.cols, out.data() + i * x.cols);
    return out;
}

std::vector<float> superclusters(MatrixView x, std::span<const std::uint32_t> order, KMeansOptions options) {
    options.k = static_cast<std::uint32_t>(std::ceil(std::sqrt(static_cast<double>(options.k))));
    const std::size_t n = std::min(x.rows, supercluster_points * options.k);
    const std::vector<float> sample = gather(x, order.first(n));
    return kmeans({sample.data(), n, x.cols}, options);
}

// Divides k in proportion to the sizes (highest averages). No share exceeds its size, as the sizes sum to at least k.
std::vector<std::uint32_t> shares(const Clusters& clusters, std::size_t groups, std::uint32_t k) {
    std::vector<std::uint32_t> share(groups, 0);
    std::priority_queue<std::pair<double, std::size_t>> quotients;
    const auto size = [&](std::size_t g) { return static_cast<double>(clusters.members(g).size()); };
    for (std::size_t g = 0; g < groups; ++g) quotients.emplace(size(g), g);
    for (std::uint32_t seat = 0; seat < k; ++seat) {
        const std::size_t g = quotients.top().second;
        quotients.pop();
        quotients.emplace(size(g) / (++share[g] + 1), g);
    }
    return share;
}

std::vector<float> within_superclusters(MatrixView x, std::span<const std::uint32_t> order,
                                        const KMeansOptions& options, const Progress& progress) {
    const std::vector<float> coarse = superclusters(x, order, options);
    const std::size_t d = x.cols, groups = coarse.size() / d;
    Clusters clusters(x, order, groups);
    clusters.assign(ExactCentroids({coarse.data(), groups, d}, options.spherical), x.rows, options.threads);
    clusters.collect_members();

    const std::vector<std::uint32_t> share = shares(clusters, groups, options.k);
    std::vector<std::size_t> first(groups + 1, 0);
    for (std::size_t g = 0; g < groups; ++g) first[g + 1] = first[g] + share[g];
    std::vector<float> centroids(options.k * d);
    in_slices(groups, 16, options.threads, progress, [&](std::size_t g) {
        if (share[g] == 0) return;
        KMeansOptions within = options;
        within.k = share[g];
        within.seed = options.seed + g + 1;
        within.threads = 1;
        const auto rows = clusters.members(g);
        const std::vector<float> points = gather(x, rows);
        const std::vector<float> found = kmeans({points.data(), rows.size(), d}, within);
        std::copy(found.begin(), found.end(), centroids.data() + first[g] * d);
    });
    return centroids;
}

// Progress for a part of the work, which spans from..to of the whole.
Progress part(const Progress& whole, double from, double to) {
    if (!whole) return {};
    return [&whole, from, to](double fraction) { whole(from + (to - from) * fraction); };
}

}  // namespace

std::vector<float> kmeans_hierarchical(MatrixView x, const KMeansOptions& options, const Progress& progress) {
    check_kmeans(x, options);
    require(options.initial.data == nullptr, "initial: got centroids, expected none for such a large k");
    if (options.k >= x.rows) return kmeans(x, options, progress);
    const std::vector<std::uint32_t> order = shuffled(x.rows, options.seed);
    std::vector<float> centroids = within_superclusters(x, order, options, part(progress, 0, 0.2));
    Clusters clusters(x, order, options.k);
    for (std::uint32_t t = 0; t < refinements; ++t) {
        const TwoLevelCentroids search({centroids.data(), options.k, x.cols}, options.spherical, options.threads);
        const double from = 0.2 + 0.8 * t / refinements, to = 0.2 + 0.8 * (t + 1) / refinements;
        clusters.assign(search, x.rows, options.threads, part(progress, from, to));
        clusters.update(centroids.data(), options.seed + t, options.threads);
    }
    return centroids;
}

std::vector<float> kmeans_auto(MatrixView x, const KMeansOptions& options, const Progress& progress) {
    constexpr double products = 2e11;  // per iteration; several seconds on one core
    const double cost = static_cast<double>(x.rows) * options.k * static_cast<double>(x.cols);
    const bool many = options.k >= 1024 && cost > products && options.initial.data == nullptr;
    return many ? kmeans_hierarchical(x, options, progress) : kmeans(x, options, progress);
}

}  // namespace fewbits
