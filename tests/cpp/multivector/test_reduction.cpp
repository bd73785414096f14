// Pooling and ball carving compared with their definitions, token by token.
#include "check.h"
#include "codec/codec_fixture.h"
#include "kernels/kernels.h"
#include "multivector/reduction.h"
#include "multivector/ward.h"

namespace {

using namespace fewbits;

constexpr std::size_t dim = 6;

double distance(MatrixView x, const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
    double squares = 0;
    for (std::size_t j = 0; j < dim; ++j) {
        double left = 0, right = 0;
        for (const std::size_t i : a) left += x.row(i)[j];
        for (const std::size_t i : b) right += x.row(i)[j];
        const double gap = left / static_cast<double>(a.size()) - right / static_cast<double>(b.size());
        squares += gap * gap;
    }
    const auto m = static_cast<double>(a.size()), n = static_cast<double>(b.size());
    return m * n / (m + n) * squares;
}

// Ward's merges one by one, always the best of all pairs.
std::vector<std::vector<std::size_t>> merged(MatrixView x, std::size_t count) {
    std::vector<std::vector<std::size_t>> clusters;
    for (std::size_t i = 0; i < x.rows; ++i) clusters.push_back({i});
    while (clusters.size() > count) {
        std::size_t into = 0, from = 1;
        for (std::size_t a = 0; a < clusters.size(); ++a)
            for (std::size_t b = a + 1; b < clusters.size(); ++b)
                if (distance(x, clusters[a], clusters[b]) < distance(x, clusters[into], clusters[from])) {
                    into = a;
                    from = b;
                }
        clusters[into].insert(clusters[into].end(), clusters[from].begin(), clusters[from].end());
        clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(from));
    }
    return clusters;
}

TEST("ward: chains of nearest neighbours make the merges that looking at all pairs makes") {
    for (const std::size_t n : {1u, 2u, 3u, 17u, 40u}) {
        const auto x = fixture::normal(n * dim, n);
        const MatrixView tokens{x.data(), n, dim};
        for (std::size_t count = 1; count <= n; count += 1 + n / 5) {
            const auto cluster = ward_clusters(tokens, count);
            const auto wanted = merged(tokens, count);
            CHECK_EQ(wanted.size(), count);
            for (const auto& members : wanted)
                for (const std::size_t i : members) CHECK_EQ(cluster[i], cluster[members.front()]);
            std::vector<std::uint32_t> names(cluster);
            std::sort(names.begin(), names.end());
            names.erase(std::unique(names.begin(), names.end()), names.end());
            CHECK_EQ(names.size(), count);
        }
    }
}

TEST("carve: balls in the order of their first tokens, of what is left") {
    const std::size_t n = 30;
    const auto x = fixture::normal(n * dim, 9);
    const std::vector<std::int64_t> offsets{0, 12, static_cast<std::int64_t>(n)};
    const float min_similarity = 1.5f;
    const OwnedSets got = carve({{x.data(), n, dim}, offsets}, min_similarity, 2);
    std::size_t row = 0;
    for (std::size_t set = 0; set < 2; ++set) {
        const auto first = static_cast<std::size_t>(offsets[set]), end = static_cast<std::size_t>(offsets[set + 1]);
        std::vector<bool> taken(n);
        for (std::size_t i = first; i < end; ++i) {
            if (taken[i]) continue;
            std::vector<float> sum(dim);
            for (std::size_t j = i; j < end; ++j) {
                float dot = 0;
                for (std::size_t c = 0; c < dim; ++c) dot = __builtin_fmaf(x[i * dim + c], x[j * dim + c], dot);
                if (taken[j] || (j != i && !(dot >= min_similarity))) continue;
                taken[j] = true;
                for (std::size_t c = 0; c < dim; ++c) sum[c] += x[j * dim + c];
            }
            for (std::size_t c = 0; c < dim; ++c) CHECK_EQ(got.tokens[row * dim + c], sum[c]);
            ++row;
        }
        CHECK_EQ(got.offsets[set + 1], static_cast<std::int64_t>(row));
    }
    CHECK_EQ(got.tokens.size(), row * dim);
}

TEST("pool: counts, lengths, order, and documents that are small enough") {
    const std::vector<std::int64_t> offsets{0, 1, 41, 45};
    auto x = fixture::normal(45 * dim, 3);
    for (std::size_t i = 0; i < 45; ++i) {
        float squares = 0;
        for (std::size_t c = 0; c < dim; ++c) squares += x[i * dim + c] * x[i * dim + c];
        for (std::size_t c = 0; c < dim; ++c) x[i * dim + c] /= std::sqrt(squares);
    }
    const SetsView sets{{x.data(), 45, dim}, offsets};
    for (const Clustering clustering : {Clustering::agglomerative, Clustering::kmeans}) {
        const OwnedSets got = pool(sets, 0.5, 12, clustering, 1);
        CHECK_EQ(got.offsets[1], 1);
        CHECK(got.offsets[2] - got.offsets[1] <= 12);
        CHECK_EQ(got.offsets[3] - got.offsets[2], 2);
        CHECK(std::equal(got.tokens.begin(), got.tokens.begin() + dim, x.begin()));
        for (std::size_t i = 0; i < got.tokens.size() / dim; ++i) {
            double squares = 0;
            for (std::size_t c = 0; c < dim; ++c) squares += double{got.tokens[i * dim + c]} * got.tokens[i * dim + c];
            CHECK(std::abs(squares - 1) < 1e-4);
        }
        const OwnedSets all = pool(sets, 1, 1000, clustering, 2);
        CHECK(all.tokens == x);
    }
    CHECK_EQ(pool(sets, 0.5, 12, Clustering::agglomerative, 1).offsets[2], 13);
}

TEST("pool: a share outside (0, 1], or no token, is refused") {
    const std::vector<float> tokens = {1, 0, 0, 1};
    const std::vector<std::int64_t> offsets = {0, 2};
    const SetsView documents{{tokens.data(), 2, 2}, offsets};
    CHECK_EQ(pool(documents, 1, 1, Clustering::agglomerative, 1).offsets.back(), 1);
    for (const double share : {0.0, -0.5, 1.01})
        CHECK_THROWS(pool(documents, share, 1, Clustering::agglomerative, 1), "share");
    CHECK_THROWS(pool(documents, 0.5, 0, Clustering::agglomerative, 1), "at least 1 token");
    CHECK_EQ(pool(documents, 0.5, 1, Clustering::agglomerative, 1).offsets.back(), 1);
    const std::vector<float> many(max_to_merge + 1, 1.0f);
    for (const std::size_t n : {max_to_merge, max_to_merge + 1}) {
        const std::vector<std::int64_t> all = {0, static_cast<std::int64_t>(n)};
        const SetsView set{{many.data(), n, 1}, all};
        CHECK_EQ(pool(set, 1, n, Clustering::kmeans, 1).offsets.back(), all.back());
        if (n == max_to_merge)
            CHECK_EQ(pool(set, 1, n, Clustering::agglomerative, 1).offsets.back(), all.back());
        else
            CHECK_THROWS(pool(set, 1, n, Clustering::agglomerative, 1), "got 8193 tokens in set 0");
    }
}

}  // namespace
