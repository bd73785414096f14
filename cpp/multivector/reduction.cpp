#include "multivector/reduction.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "base/norm.h"
#include "base/parallel.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"
#include "multivector/ward.h"

namespace fewbits {
namespace {

constexpr int max_rounds = 10;

// Numbers the clusters in the order of their first tokens; returns the number of clusters.
std::size_t renumber(std::vector<std::uint32_t>& cluster) {
    constexpr std::uint32_t unseen = ~0u;
    std::vector<std::uint32_t> number(cluster.size(), unseen);
    std::uint32_t count = 0;
    for (std::uint32_t& c : cluster) {
        if (number[c] == unseen) number[c] = count++;
        c = number[c];
    }
    return count;
}

// Sums of each cluster's tokens.
std::vector<float> summed(MatrixView tokens, const std::vector<std::uint32_t>& cluster, std::size_t count) {
    std::vector<float> sums(count * tokens.cols);
    kernels::active().add_to_buckets({tokens.data, tokens.rows, tokens.cols, tokens.cols, cluster.data(), sums.data()});
    return sums;
}

double length(const float* x, std::size_t dim) {
    return std::sqrt(squared_length(x, dim));
}

// Scales each row to the mean length of its cluster's tokens; tokens of equal length thus give a row of that length.
void stretch(MatrixView tokens, const std::vector<std::uint32_t>& cluster, std::vector<float>& rows) {
    const std::size_t dim = tokens.cols, count = rows.size() / dim;
    std::vector<double> lengths(count);
    std::vector<std::size_t> held(count);
    for (std::size_t t = 0; t < tokens.rows; ++t) {
        lengths[cluster[t]] += length(tokens.row(t), dim);
        ++held[cluster[t]];
    }
    for (std::size_t c = 0; c < count; ++c) {
        if (held[c] == 1) continue;  // bit for bit unchanged
        float* row = rows.data() + c * dim;
        const double own = length(row, dim);
        const auto factor = static_cast<float>(own > 0 ? lengths[c] / static_cast<double>(held[c]) / own : 0.0);
        for (std::size_t j = 0; j < dim; ++j) row[j] *= factor;
    }
}

// The nearest of `count` means for each token.
std::vector<std::uint32_t> nearest(MatrixView tokens, const std::vector<float>& means, std::size_t count) {
    const auto dim = static_cast<std::uint32_t>(tokens.cols);
    const std::vector<float> blocks = pack_floats({means.data(), count, tokens.cols});
    std::vector<float> bias(count), score(tokens.rows);
    for (std::size_t c = 0; c < count; ++c) {
        const double own = length(means.data() + c * dim, dim);
        bias[c] = static_cast<float>(-own * own / 2);
    }
    std::vector<std::uint32_t> cluster(tokens.rows);
    const kernels::Tile tile{tokens.data, dim,           static_cast<std::uint32_t>(tokens.rows),
                             dim,         blocks.data(), static_cast<std::uint32_t>(count),
                             bias.data()};
    kernels::active().tile_best(tile, cluster.data(), score.data());
    return cluster;
}

std::vector<std::uint32_t> kmeans_clusters(MatrixView tokens, std::size_t count) {
    std::vector<float> means(count * tokens.cols);
    for (std::size_t c = 0; c < count; ++c)
        std::copy_n(tokens.row(c * tokens.rows / count), tokens.cols, means.data() + c * tokens.cols);
    std::vector<std::uint32_t> cluster;
    for (int round = 0; round < max_rounds; ++round) {
        std::vector<std::uint32_t> next = nearest(tokens, means, count);
        if (next == cluster) break;
        cluster = std::move(next);
        const std::vector<float> sums = summed(tokens, cluster, count);
        std::vector<std::uint32_t> held(count);
        for (const std::uint32_t c : cluster) ++held[c];
        for (std::size_t i = 0; i < means.size(); ++i) {
            const std::uint32_t of = held[i / tokens.cols];
            if (of > 0) means[i] = sums[i] / static_cast<float>(of);  // an empty cluster keeps its mean
        }
    }
    return cluster;
}

using Reduce = std::function<std::vector<float>(MatrixView)>;

OwnedSets reduced(const SetsView& sets, unsigned threads, const Reduce& reduce) {
    std::vector<std::vector<float>> parts(sets.size());
    parallel_for(sets.size(), threads, [&](std::size_t i, unsigned) { parts[i] = reduce(sets[i]); });
    OwnedSets out;
    std::size_t floats = 0;
    for (const auto& part : parts) {
        floats += part.size();
        out.offsets.push_back(static_cast<std::int64_t>(floats / sets.tokens.cols));
    }
    out.tokens.reserve(floats);
    for (auto& part : parts) {
        out.tokens.insert(out.tokens.end(), part.begin(), part.end());
        part = {};
    }
    return out;
}

std::vector<float> carved(MatrixView tokens, float min_similarity) {
    constexpr std::uint32_t left = ~0u;
    const std::vector<float> products = token_products(tokens);
    std::vector<std::uint32_t> ball(tokens.rows, left);
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < tokens.rows; ++i) {
        if (ball[i] != left) continue;
        for (std::size_t j = i; j < tokens.rows; ++j)
            if (ball[j] == left && (j == i || products[i * tokens.rows + j] >= min_similarity)) ball[j] = count;
        ++count;
    }
    return summed(tokens, ball, count);
}

}  // namespace

OwnedSets pool(const SetsView& documents, double share, std::size_t max_tokens, Clustering clustering,
               unsigned threads) {
    check_sets(documents, "documents");
    require(share > 0 && share <= 1 && max_tokens >= 1, "pool: expected a share in (0, 1] and at least 1 token");
    const bool ward = clustering == Clustering::agglomerative;
    for (std::size_t i = 0; ward && i < documents.size(); ++i)
        if (documents[i].rows > max_to_merge)
            fail("documents: got " + std::to_string(documents[i].rows) + " tokens in set " + std::to_string(i)
                 + ", expected at most " + std::to_string(max_to_merge) + " for agglomerative pooling");
    return reduced(documents, threads, [=](MatrixView tokens) {
        const auto wanted = static_cast<std::size_t>(std::lround(share * static_cast<double>(tokens.rows)));
        const std::size_t count = std::max<std::size_t>(1, std::min(max_tokens, wanted));
        if (count >= tokens.rows) return std::vector<float>(tokens.data, tokens.data + tokens.size());
        std::vector<std::uint32_t> cluster = ward ? ward_clusters(tokens, count) : kmeans_clusters(tokens, count);
        std::vector<float> pooled = summed(tokens, cluster, renumber(cluster));
        stretch(tokens, cluster, pooled);
        return pooled;
    });
}

OwnedSets carve(const SetsView& queries, float min_similarity, unsigned threads) {
    check_sets(queries, "queries");
    return reduced(queries, threads, [=](MatrixView tokens) { return carved(tokens, min_similarity); });
}

}  // namespace fewbits
