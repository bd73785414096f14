// k-means: better with every iteration, the same bits for any thread count, and robust on data without clusters.
#include <algorithm>
#include <set>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "partition/assign.h"
#include "partition/exact_centroids.h"
#include "partition/kmeans.h"
#include "partition/samples.h"

namespace {

using fewbits::KMeansOptions;
using Trainer = std::vector<float> (*)(fewbits::MatrixView, const KMeansOptions&, const fewbits::Progress&);

constexpr Trainer trainers[] = {fewbits::kmeans, fewbits::kmeans_hierarchical};

KMeansOptions options(std::uint32_t k, std::uint32_t iterations = 10, bool spherical = false, unsigned threads = 2) {
    KMeansOptions o;
    o.k = k;
    o.iterations = iterations;
    o.spherical = spherical;
    o.seed = 5;
    o.threads = threads;
    return o;
}

std::vector<std::uint32_t> nearest(const samples::Rows& x, const std::vector<float>& centroids, bool spherical) {
    std::vector<std::uint32_t> lists(x.n);
    const fewbits::ExactCentroids exact({centroids.data(), centroids.size() / x.d, x.d}, spherical);
    fewbits::assign_rows(x.view(), exact, lists.data(), 2);
    return lists;
}

// Mean squared distance, or mean of 1 - cosine, to the best centroid.
double loss(const samples::Rows& x, const std::vector<float>& centroids, bool spherical) {
    const auto lists = nearest(x, centroids, spherical);
    double sum = 0;
    for (std::size_t i = 0; i < x.n; ++i) {
        const float *row = x.view().row(i), *c = centroids.data() + lists[i] * x.d;
        sum += spherical
                   ? 1 - samples::dot(row, c, x.d) / std::sqrt(samples::dot(row, row, x.d) * samples::dot(c, c, x.d))
                   : samples::distance(row, c, x.d);
    }
    return sum / static_cast<double>(x.n);
}

std::size_t empty_clusters(const samples::Rows& x, const std::vector<float>& centroids, bool spherical) {
    const auto lists = nearest(x, centroids, spherical);
    return centroids.size() / x.d - std::set<std::uint32_t>(lists.begin(), lists.end()).size();
}

TEST("kmeans: no iteration makes it worse") {
    const auto x = samples::clustered(1500, 12, 1);  // fewer than 32 points per centroid: each iteration uses them all
    double before = 1e30;
    for (std::uint32_t iterations = 0; iterations <= 8; ++iterations) {
        const double now = loss(x, fewbits::kmeans(x.view(), options(60, iterations)), false);
        CHECK(now <= before * (1 + 1e-6));
        if (iterations == 1) CHECK(now < 0.9 * before);
        before = now;
    }
}

TEST("kmeans: finds clusters that are far apart") {
    auto x = samples::clustered(4000, 8, 3, 4);
    for (const Trainer train : trainers) {
        const auto centroids = train(x.view(), options(16), {});
        CHECK(loss(x, centroids, false) < 8.0 / 3);  // the variance about the centers they were drawn from
    }
}

TEST("kmeans: centroids are the means of their members") {
    const auto x = samples::clustered(600, 6, 9);
    for (const bool spherical : {false, true}) {
        const auto before = fewbits::kmeans(x.view(), options(20, 3, spherical));
        const auto after = fewbits::kmeans(x.view(), options(20, 4, spherical));
        const auto lists = nearest(x, before, spherical);
        for (std::uint32_t c = 0; c < 20; ++c) {
            std::vector<double> sum(x.d, 0.0);
            double count = 0;
            for (std::size_t i = 0; i < x.n; ++i) {
                if (lists[i] != c) continue;
                ++count;
                for (std::size_t j = 0; j < x.d; ++j) sum[j] += double{x.view().row(i)[j]};
            }
            REQUIRE(count > 0);
            for (std::size_t j = 0; j < x.d; ++j) CHECK(std::abs(double{after[c * x.d + j]} - sum[j] / count) < 1e-5);
        }
    }
}

TEST("kmeans: the same bits for any number of threads") {
    const auto x = samples::clustered(6000, 10, 2);
    for (const bool spherical : {false, true}) {
        for (const Trainer train : trainers) {
            const auto one = train(x.view(), options(150, 6, spherical, 1), {});
            CHECK(samples::same_bits(one, train(x.view(), options(150, 6, spherical, 2), {})));
            CHECK(samples::same_bits(one, train(x.view(), options(150, 6, spherical, 7), {})));
            auto other = options(150, 6, spherical, 2);
            other.seed = 6;
            CHECK(!samples::same_bits(one, train(x.view(), other, {})));
        }
    }
}

TEST("kmeans: no cluster is left empty") {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        const auto x = samples::clustered(3000, 10, seed, 3);
        for (const bool spherical : {false, true}) {
            CHECK_EQ(empty_clusters(x, fewbits::kmeans(x.view(), options(200, 10, spherical)), spherical), 0u);
            CHECK(empty_clusters(x, fewbits::kmeans_hierarchical(x.view(), options(200, 10, spherical)), spherical)
                  <= 2);
        }
    }
}

TEST("kmeans: empty clusters take parts of the largest") {
    // Half of the points are identical: seeds drawn among them cannot all keep a member.
    auto x = samples::clustered(2000, 6, 4);
    for (std::size_t i = 0; i < 1000; ++i) std::copy_n(x.view().row(0), x.d, x.values.data() + i * x.d);
    const auto centroids = fewbits::kmeans(x.view(), options(100));
    CHECK(samples::all_finite(centroids));
    CHECK_EQ(empty_clusters(x, centroids, false), 0u);
}

TEST("kmeans: more clusters than points") {
    const auto x = samples::clustered(5, 3, 4);
    for (const Trainer train : trainers) {
        const auto centroids = train(x.view(), options(12), {});
        REQUIRE(centroids.size() == 36);
        CHECK_EQ(loss(x, centroids, false), 0.0);
        for (std::size_t c = 5; c < 12; ++c)
            CHECK(samples::distance(centroids.data() + c * 3, centroids.data() + (c - 5) * 3, 3) == 0);
    }
}

TEST("kmeans: constant, zero, tiny and huge data") {
    for (const float value : {0.0f, 1.0f, -3.5f, 1e-38f, 1e30f, 3e38f}) {
        samples::Rows x{std::vector<float>(400 * 5, value), 400, 5};
        for (const bool spherical : {false, true}) {
            for (const Trainer train : trainers) {
                const auto centroids = train(x.view(), options(30, 5, spherical), {});
                REQUIRE(centroids.size() == 150);
                for (const float c : centroids) CHECK_EQ(c, value);
            }
        }
    }
}

TEST("kmeans: a few distinct points") {
    samples::Rows x{std::vector<float>(900), 300, 3};
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] = static_cast<float>((i / 3) % 4);
    for (const Trainer train : trainers) CHECK_EQ(loss(x, train(x.view(), options(16), {}), false), 0.0);
}

TEST("kmeans: through superclusters is about as good") {
    const auto x = samples::clustered(20000, 16, 8, 300);
    for (const bool spherical : {false, true}) {
        const double flat = loss(x, fewbits::kmeans(x.view(), options(500, 10, spherical)), spherical);
        const double tree = loss(x, fewbits::kmeans_hierarchical(x.view(), options(500, 10, spherical)), spherical);
        CHECK(tree < 1.03 * flat);
    }
}

TEST("kmeans: starts from given centroids") {
    const auto x = samples::clustered(300, 4, 6);  // few enough for every iteration to use all of them
    const auto first = fewbits::kmeans(x.view(), options(10, 2));
    auto more = options(10, 0);
    more.initial = {first.data(), 10, 4};
    CHECK(samples::same_bits(fewbits::kmeans(x.view(), more), first));
    more.iterations = 3;
    CHECK(samples::same_bits(fewbits::kmeans(x.view(), more), fewbits::kmeans(x.view(), options(10, 5))));
    more.initial = {first.data(), 9, 4};
    CHECK_THROWS(fewbits::kmeans(x.view(), more), "initial");
}

TEST("kmeans: reports progress, ends with 1 unless it stops early, and can be cancelled") {
    const auto x = samples::clustered(4000, 8, 1);
    for (const Trainer train : trainers) {
        double last = 0;
        int reports = 0;
        train(x.view(), options(100, 5), [&](double fraction) {
            CHECK(fraction >= last && fraction <= 1 + 1e-9);
            last = fraction;
            ++reports;
        });
        CHECK(reports >= 3);
        CHECK(last > 0.5);
        CHECK_THROWS(train(x.view(), options(100, 5), [](double) { throw std::runtime_error("enough"); }), "enough");
    }
}

TEST("kmeans: refuses what it can not do") {
    const auto x = samples::clustered(5, 3, 4);
    fewbits::KMeansOptions started = options(5);
    started.initial = x.view();
    CHECK_THROWS(fewbits::kmeans_hierarchical(x.view(), started), "initial: got centroids, expected none");
    for (const Trainer train : trainers) {
        CHECK_THROWS(train(x.view(), options(0), {}), "k: got 0");
        CHECK_THROWS(train(x.view(), options((1u << 24) + 1), {}), "k: got 16777217");
        CHECK_THROWS(train({x.values.data(), 0, 3}, options(2), {}), "x: got no vectors");
        CHECK_THROWS(train({x.values.data(), 3, 0}, options(2), {}), "x: got no vectors");
        CHECK_THROWS(train({x.values.data(), 0xffffffff, 3}, options(2), {}), "x: got 4294967295 vectors");
    }
}

}  // namespace
