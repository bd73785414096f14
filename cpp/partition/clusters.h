// The points of a k-means run and their clusters, which Lloyd iterations assign and average. Points are visited in a
// given order, and an iteration uses a prefix of it. Results are bitwise equal for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/matrix.h"
#include "base/progress.h"

namespace fewbits {

// All rows in a random order, such that every prefix is a uniform sample.
std::vector<std::uint32_t> shuffled(std::size_t n, std::uint64_t seed);

class Clusters {
public:
    Clusters(MatrixView x, std::span<const std::uint32_t> order, std::size_t k)
        : x_(x), order_(order), k_(k), cluster_(order.size(), std::numeric_limits<std::uint32_t>::max()) {}

    // Assigns the first `seen` points to their best centroids; returns how many changed their cluster.
    template <class Centroids>
    std::size_t assign(const Centroids& centroids, std::size_t seen, unsigned threads, const Progress& progress = {});

    // Sets each centroid to the mean of its members. An empty cluster gets part of the largest one: its centroid is
    // near that mean, moved towards one of the members (or equal to it, if all points are equal). Returns how many
    // were empty.
    std::size_t update(float* centroids, std::uint64_t seed, unsigned threads);

    // Row numbers of the members, in the given order, at the last collect_members(), which update() calls.
    void collect_members();
    std::span<const std::uint32_t> members(std::size_t c) const {
        return {members_.data() + begin_[c], begin_[c + 1] - begin_[c]};
    }

private:
    void mean(std::size_t c, float* out) const;
    std::size_t fill_empty(float* centroids, std::uint64_t seed) const;

    MatrixView x_;
    std::span<const std::uint32_t> order_;
    std::size_t k_;
    std::size_t seen_ = 0;
    std::vector<std::uint32_t> cluster_;  // of the i-th point in the order
    std::vector<std::size_t> begin_;      // cluster c has members_[begin_[c] .. begin_[c + 1]]
    std::vector<std::uint32_t> members_;
};

template <class Centroids>
std::size_t Clusters::assign(const Centroids& centroids, std::size_t seen, unsigned threads, const Progress& progress) {
    constexpr std::size_t batch = Centroids::batch;
    const std::size_t d = x_.cols, tasks = (seen + batch - 1) / batch;
    std::vector<std::size_t> moved(tasks, 0);
    in_slices(tasks, 64, threads, progress, [&](std::size_t task) {
        const std::size_t first = task * batch, n = std::min(batch, seen - first);
        std::vector<float> points(n * d);
        std::vector<std::uint32_t> best(n);
        for (std::size_t i = 0; i < n; ++i) std::copy_n(x_.row(order_[first + i]), d, points.data() + i * d);
        centroids.best(points.data(), n, best.data());
        for (std::size_t i = 0; i < n; ++i) {
            moved[task] += cluster_[first + i] != best[i];
            cluster_[first + i] = best[i];
        }
    });
    seen_ = seen;
    std::size_t total = 0;
    for (const std::size_t count : moved) total += count;
    return total;
}

}  // namespace fewbits
