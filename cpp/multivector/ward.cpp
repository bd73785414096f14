#include "multivector/ward.h"

#include <algorithm>
#include <numeric>

#include "base/interrupt.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

struct Merge {
    std::uint32_t into, from;  // one token of each of the two clusters
    float cost;
};

// The cost of merging two clusters: |A||B| / (|A| + |B|) times the squared distance of their means.
class Costs {
public:
    explicit Costs(MatrixView tokens) : n_(tokens.rows), cost_(token_products(tokens)), size_(n_, 1.0f) {
        std::vector<float> square(n_);
        for (std::size_t i = 0; i < n_; ++i) square[i] = at(i, i);
        for (std::size_t i = 0; i < n_; ++i)
            for (std::size_t j = 0; j < n_; ++j)
                cost_[i * n_ + j] = std::max(0.0f, (square[i] + square[j]) / 2 - cost_[i * n_ + j]);
    }

    float at(std::size_t i, std::size_t j) const { return cost_[i * n_ + j]; }
    bool alive(std::size_t i) const { return size_[i] > 0; }

    // Cluster i becomes the union, and j is removed (recurrence of Lance and Williams).
    void merge(std::size_t i, std::size_t j) {
        const float between = at(i, j);
        for (std::size_t k = 0; k < n_; ++k) {
            if (!alive(k) || k == i || k == j) continue;
            const float all = size_[i] + size_[j] + size_[k];
            const float sum = (size_[i] + size_[k]) * at(i, k) + (size_[j] + size_[k]) * at(j, k) - size_[k] * between;
            cost_[i * n_ + k] = cost_[k * n_ + i] = std::max(0.0f, sum / all);  // never NaN
        }
        size_[i] += size_[j];
        size_[j] = 0;
    }

    // The cluster that is cheapest to merge with i; `preferred` (n: none) wins ties.
    std::size_t cheapest(std::size_t i, std::size_t preferred) const {
        std::size_t best = preferred;
        for (std::size_t k = 0; k < n_; ++k)
            if (k != i && alive(k) && (best == n_ || at(i, k) < at(i, best))) best = k;
        return best;
    }

private:
    std::size_t n_;
    std::vector<float> cost_;
    std::vector<float> size_;  // 0: merged into another
};

// All n - 1 merges, by nearest-neighbour chains: two clusters that are each other's cheapest can be merged immediately,
// because no later union is cheaper for either.
std::vector<Merge> all_merges(MatrixView tokens) {
    const std::size_t n = tokens.rows;
    Costs costs(tokens);
    std::vector<Merge> merges;
    std::vector<std::size_t> chain;
    std::size_t start = 0;
    while (merges.size() + 1 < n) {
        poll(n * sizeof(float));
        while (chain.empty() && !costs.alive(start)) ++start;
        if (chain.empty()) chain.push_back(start);
        const std::size_t last = chain.back();
        const std::size_t before = chain.size() > 1 ? chain[chain.size() - 2] : n;
        const std::size_t next = costs.cheapest(last, before);
        if (next != before) {
            chain.push_back(next);
            continue;
        }
        chain.resize(chain.size() - 2);
        const auto [into, from] = std::minmax(last, next);
        merges.push_back({static_cast<std::uint32_t>(into), static_cast<std::uint32_t>(from), costs.at(last, next)});
        costs.merge(into, from);
    }
    return merges;
}

std::uint32_t root(const std::vector<std::uint32_t>& parent, std::uint32_t i) {
    while (parent[i] != i) i = parent[i];
    return i;
}

}  // namespace

std::vector<float> token_products(MatrixView tokens) {
    const auto n = static_cast<std::uint32_t>(tokens.rows), dim = static_cast<std::uint32_t>(tokens.cols);
    const std::vector<float> blocks = pack_floats(tokens);
    std::vector<float> products(tokens.rows * tokens.rows);
    kernels::active().tile_dot({tokens.data, dim, n, dim, blocks.data(), n, nullptr}, products.data(), n);
    return products;
}

std::vector<std::uint32_t> ward_clusters(MatrixView tokens, std::size_t count) {
    std::vector<Merge> merges = all_merges(tokens);
    std::stable_sort(merges.begin(), merges.end(), [](const Merge& x, const Merge& y) { return x.cost < y.cost; });
    std::vector<std::uint32_t> cluster(tokens.rows);
    std::iota(cluster.begin(), cluster.end(), 0u);
    for (std::size_t m = 0; m + count < tokens.rows; ++m)
        cluster[root(cluster, merges[m].from)] = root(cluster, merges[m].into);
    for (std::uint32_t i = 0; i < cluster.size(); ++i) cluster[i] = root(cluster, i);
    return cluster;
}

}  // namespace fewbits
