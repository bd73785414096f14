#include "partition/two_level_centroids.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "partition/assign.h"
#include "partition/best_scores.h"
#include "partition/kmeans.h"

namespace fewbits {
namespace {

// A row is compared with g means and `probes` groups: g + probes * k / g products, minimal at g = sqrt(probes * k).
constexpr std::uint32_t wanted_probes = 16;

std::vector<float> group_means(MatrixView centroids, bool spherical, unsigned threads) {
    const double k = static_cast<double>(centroids.rows);
    KMeansOptions options;
    options.k = static_cast<std::uint32_t>(std::ceil(std::sqrt(wanted_probes * k)));
    options.k = std::min(options.k, static_cast<std::uint32_t>(centroids.rows));
    options.spherical = spherical;
    options.threads = threads;
    return kmeans(centroids, options);
}

MatrixView as_rows(const std::vector<float>& values, std::size_t d) {
    return {values.data(), values.size() / d, d};
}

}  // namespace

TwoLevelCentroids::TwoLevelCentroids(MatrixView centroids, bool spherical, unsigned threads) {
    const std::size_t d = centroids.cols;
    const std::vector<float> means = group_means(centroids, spherical, threads);
    const ExactCentroids all(as_rows(means, d), spherical);
    std::vector<std::uint32_t> group_of(centroids.rows);
    assign_rows(centroids, all, group_of.data(), threads);
    std::vector<std::vector<std::uint32_t>> members(all.k());
    for (std::uint32_t c = 0; c < centroids.rows; ++c) members[group_of[c]].push_back(c);

    std::vector<float> kept;  // without empty groups, which would waste probes
    for (std::size_t g = 0; g < members.size(); ++g) {
        if (members[g].empty()) continue;
        kept.insert(kept.end(), means.data() + g * d, means.data() + (g + 1) * d);
        std::vector<float> rows;
        for (const std::uint32_t c : members[g]) rows.insert(rows.end(), centroids.row(c), centroids.row(c) + d);
        groups_.push_back({std::move(members[g]), ExactCentroids(as_rows(rows, d), spherical)});
    }
    means_ = ExactCentroids(as_rows(kept, d), spherical);
    probes_ = std::min(wanted_probes, means_.k());
}

void TwoLevelCentroids::best_groups(const float* x, std::size_t n, std::uint32_t* groups) const {
    constexpr std::size_t rows = 64;
    const std::uint32_t k = means_.k();
    std::vector<float> scores(rows * k);
    BestScores top;
    for (std::size_t first = 0; first < n; first += rows) {
        const std::size_t count = std::min(rows, n - first);
        means_.scores(x + first * means_.dim(), count, 0, k, scores.data());
        for (std::size_t i = 0; i < count; ++i) {
            top.reset(probes_);
            top.offer(0, {scores.data() + i * k, k});
            for (const Hit& hit : top.kept()) *groups++ = hit.row;
        }
    }
}

template <class Body>
void TwoLevelCentroids::for_groups(const float* x, std::size_t n, Body body) const {
    std::vector<std::uint32_t> visited(n * probes_);
    best_groups(x, n, visited.data());

    // The rows that visit each group, by counting.
    std::vector<std::size_t> end(groups_.size() + 1, 0);
    for (const std::uint32_t g : visited) ++end[g + 1];
    for (std::size_t g = 0; g < groups_.size(); ++g) end[g + 1] += end[g];
    std::vector<std::uint32_t> visitors(visited.size());
    for (std::size_t v = 0; v < visited.size(); ++v)
        visitors[end[visited[v]]++] = static_cast<std::uint32_t>(v / probes_);

    std::size_t begin = 0;
    for (std::size_t g = 0; g < groups_.size(); begin = end[g++])
        if (end[g] > begin) body(groups_[g], std::span<const std::uint32_t>(visitors).subspan(begin, end[g] - begin));
}

void TwoLevelCentroids::best(const float* x, std::size_t n, std::uint32_t* lists) const {
    const std::size_t d = means_.dim();
    std::vector<float> best_score(n, -std::numeric_limits<float>::infinity());
    std::fill_n(lists, n, std::numeric_limits<std::uint32_t>::max());
    std::vector<float> rows, score;
    std::vector<std::uint32_t> local;
    for_groups(x, n, [&](const Group& group, std::span<const std::uint32_t> visitors) {
        const std::size_t count = visitors.size();
        rows.resize(count * d);
        local.resize(count);
        score.resize(count);
        for (std::size_t v = 0; v < count; ++v) std::copy_n(x + visitors[v] * d, d, rows.data() + v * d);
        group.centroids.best(rows.data(), count, local.data(), score.data());
        for (std::size_t v = 0; v < count; ++v) {
            const std::uint32_t row = visitors[v], c = group.members[local[v]];
            if (score[v] < best_score[row] || (score[v] == best_score[row] && c > lists[row])) continue;
            best_score[row] = score[v];
            lists[row] = c;
        }
    });
}

void TwoLevelCentroids::offer(const float* x, std::size_t n, SoarSearch& search) const {
    for_groups(x, n, [&](const Group& group, std::span<const std::uint32_t> visitors) {
        search.offer(group.centroids, group.members, visitors);
    });
}

void second_lists(const TwoLevelCentroids& search, MatrixView x, MatrixView centroids, const std::uint32_t* lists,
                  const SpillRule& rule, const SecondLists& out) {
    SoarSearch found(x, centroids, lists, rule.lambda);
    search.offer(x.data, x.rows, found);
    keep_second(found, x.rows, rule, out);
}

}  // namespace fewbits
