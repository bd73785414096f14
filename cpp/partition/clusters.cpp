#include "partition/clusters.h"

#include <numeric>
#include <queue>
#include <utility>

#include "base/random.h"

namespace fewbits {

std::vector<std::uint32_t> shuffled(std::size_t n, std::uint64_t seed) {
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    for (std::size_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + random_below(seed, i, n - i)]);
    return order;
}

void Clusters::collect_members() {
    std::vector<std::size_t> place(k_ + 1, 0);
    for (std::size_t i = 0; i < seen_; ++i) ++place[cluster_[i] + 1];
    for (std::size_t c = 0; c < k_; ++c) place[c + 1] += place[c];
    begin_ = place;
    members_.resize(seen_);
    for (std::size_t i = 0; i < seen_; ++i) members_[place[cluster_[i]]++] = order_[i];
}

void Clusters::mean(std::size_t c, float* out) const {
    const std::span<const std::uint32_t> rows = members(c);
    std::vector<double> sum(x_.cols, 0.0);
    for (const std::uint32_t r : rows) {
        const float* row = x_.row(r);
        for (std::size_t j = 0; j < x_.cols; ++j) sum[j] += double{row[j]};
    }
    const auto count = static_cast<double>(rows.size());
    for (std::size_t j = 0; j < x_.cols; ++j) out[j] = static_cast<float>(sum[j] / count);
}

std::size_t Clusters::update(float* centroids, std::uint64_t seed, unsigned threads) {
    constexpr std::size_t clusters_per_task = 8;
    collect_members();
    parallel_for((k_ + clusters_per_task - 1) / clusters_per_task, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * clusters_per_task, end = std::min(k_, first + clusters_per_task);
        for (std::size_t c = first; c < end; ++c)
            if (!members(c).empty()) mean(c, centroids + c * x_.cols);
    });
    return fill_empty(centroids, seed);
}

std::size_t Clusters::fill_empty(float* centroids, std::uint64_t seed) const {
    // Less than 1/2, so that both parts have members; small, so that they are about equal in high dimensions, where
    // members are nearly orthogonal to each other.
    constexpr double step = 1.0 / 32;
    const std::size_t d = x_.cols;
    std::vector<std::size_t> empty;
    std::priority_queue<std::pair<double, std::size_t>> largest;  // remaining size, k - cluster (the first on ties)
    for (std::size_t c = 0; c < k_; ++c) {
        const std::size_t size = members(c).size();
        if (size == 0) empty.push_back(c);
        if (size > 1) largest.emplace(static_cast<double>(size), k_ - c);
    }
    std::size_t refilled = 0;
    for (const std::size_t c : empty) {
        float* out = centroids + c * d;
        for (bool split = false; !split && !largest.empty();) {
            const auto [size, rank] = largest.top();
            largest.pop();
            const float* mean_of = centroids + (k_ - rank) * d;
            const auto rows = members(k_ - rank);
            const std::size_t start = random_below(seed, c, rows.size());
            for (std::size_t i = 0; i < rows.size() && !split; ++i) {
                const float* member = x_.row(rows[(start + i) % rows.size()]);
                for (std::size_t j = 0; j < d; ++j) {
                    const double from = double{mean_of[j]};
                    out[j] = static_cast<float>(from + step * (double{member[j]} - from));
                    split = split || out[j] != mean_of[j];
                }
            }
            if (split) largest.emplace(size / 2, rank);
            refilled += split;
        }
    }
    return refilled;
}

}  // namespace fewbits
