// Partition: assignment and probing agree with their definitions for any batch and any number of threads; hostile parts
// are rejected.
#include <algorithm>
#include <thread>
#include <vector>

#include "check.h"
#include "kernels/kernels.h"
#include "partition/assign.h"
#include "partition/coded_centroids.h"
#include "partition/kmeans.h"
#include "partition/partition.h"
#include "partition/samples.h"

namespace {

using fewbits::DType;
using fewbits::Metric;
using fewbits::Partition;
using fewbits::Parts;

Parts parts_of(const samples::Rows& centroids) {
    Parts parts;
    parts.params = {{"partition.kind", 1}, {"partition.nlist", centroids.n}};
    parts.arrays["partition.centroids"] = samples::array(DType::f32, centroids.values);
    return parts;
}

std::vector<Partition::Probe> probes_of(const Partition& partition, fewbits::MatrixView queries, std::uint32_t nprobe) {
    std::vector<Partition::Probe> probes(queries.rows * nprobe);
    partition.nearest(queries, nprobe, probes.data());
    return probes;
}

// The score by definition: -|q - c|^2, or <q, c> / |c| (0 for a zero centroid).
double score(const float* q, const float* c, std::size_t d, Metric metric) {
    if (metric == Metric::l2) return -samples::distance(q, c, d);
    const double norm = std::sqrt(samples::dot(c, c, d));
    return norm > 0 ? samples::dot(q, c, d) / norm : 0;
}

TEST("partition: none is one list") {
    Parts parts;
    parts.params = {{"partition.kind", 0}};
    const auto partition = fewbits::make_partition(parts, 4, Metric::ip);
    CHECK_EQ(partition->nlist(), 1u);
    CHECK_EQ(partition->centroids().rows, 0u);
    const auto x = samples::clustered(3, 4, 1);
    std::vector<std::uint32_t> lists(3, 9);
    partition->assign(x.view(), lists.data(), 2);
    CHECK(lists == std::vector<std::uint32_t>(3, 0));
    for (const auto& probe : probes_of(*partition, x.view(), 1)) CHECK(probe.list == 0 && probe.coarse == 0);
}

TEST("partition: probes are the best lists, best first") {
    for (const std::size_t nlist : {1u, 5u, 33u, 1000u, 2100u}) {
        for (const Metric metric : {Metric::l2, Metric::ip, Metric::cosine}) {
            const auto centroids = samples::clustered(nlist, 17, 3);
            const auto queries = samples::clustered(40, 17, 4);
            const auto partition = fewbits::make_partition(parts_of(centroids), 17, metric);
            const auto nprobe = static_cast<std::uint32_t>(std::min<std::size_t>(nlist, 20));
            const auto probes = probes_of(*partition, queries.view(), nprobe);
            for (std::size_t i = 0; i < queries.n; ++i) {
                const float* q = queries.view().row(i);
                std::vector<double> wanted;
                for (std::size_t c = 0; c < nlist; ++c) wanted.push_back(score(q, centroids.view().row(c), 17, metric));
                std::sort(wanted.begin(), wanted.end(), std::greater<>{});
                for (std::size_t j = 0; j < nprobe; ++j) {
                    const auto& probe = probes[i * nprobe + j];
                    const float* c = centroids.view().row(probe.list);
                    CHECK(std::abs(score(q, c, 17, metric) - wanted[j]) < 1e-3);
                    const double coarse = samples::dot(q, c, 17) * (metric == Metric::l2 ? 2 : 1);
                    CHECK(std::abs(double{probe.coarse} - coarse) < 1e-3);
                }
            }
        }
    }
}

TEST("partition: all lists can be probed, each once") {
    const auto centroids = samples::clustered(1500, 6, 3);
    const auto queries = samples::clustered(3, 6, 4);
    const auto partition = fewbits::make_partition(parts_of(centroids), 6, Metric::l2);
    const auto probes = probes_of(*partition, queries.view(), 1500);
    for (std::size_t i = 0; i < queries.n; ++i) {
        std::vector<bool> seen(1500, false);
        for (std::size_t j = 0; j < 1500; ++j) seen[probes[i * 1500 + j].list] = true;
        CHECK_EQ(std::count(seen.begin(), seen.end(), true), 1500);
    }
}

TEST("partition: a query alone gets the bits it gets in a batch") {
    const auto centroids = samples::clustered(1300, 19, 3);
    const auto queries = samples::clustered(70, 19, 4);
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = fewbits::make_partition(parts_of(centroids), 19, metric);
        const auto together = probes_of(*partition, queries.view(), 16);
        const auto fewer = probes_of(*partition, queries.view(), 5);
        for (std::size_t i = 0; i < queries.n; ++i) {
            const auto alone = probes_of(*partition, queries.view().block(i, 1), 16);
            CHECK(std::memcmp(alone.data(), together.data() + i * 16, 16 * sizeof alone[0]) == 0);
            CHECK(std::memcmp(alone.data(), fewer.data() + i * 5, 5 * sizeof alone[0]) == 0);
        }
    }
}

TEST("partition: ties go to the smaller list") {
    samples::Rows centroids{std::vector<float>(40 * 3, 0.5f), 40, 3};
    const auto queries = samples::clustered(2, 3, 4);
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = fewbits::make_partition(parts_of(centroids), 3, metric);
        const auto probes = probes_of(*partition, queries.view(), 4);
        for (std::uint32_t j = 0; j < 4; ++j) CHECK_EQ(probes[j].list, j);
        std::vector<std::uint32_t> lists(2, 7);
        partition->assign(queries.view(), lists.data(), 1);
        CHECK_EQ(lists[0] + lists[1], 0u);
    }
}

TEST("partition: a zero centroid and a zero query are no trouble") {
    auto centroids = samples::clustered(50, 8, 3);
    std::fill_n(centroids.values.begin() + 8 * 20, 8, 0.0f);
    auto queries = samples::clustered(5, 8, 4);
    std::fill_n(queries.values.begin(), 8, 0.0f);
    for (const Metric metric : {Metric::l2, Metric::ip, Metric::cosine}) {
        const auto partition = fewbits::make_partition(parts_of(centroids), 8, metric);
        for (const auto& probe : probes_of(*partition, queries.view(), 50)) CHECK(std::isfinite(probe.coarse));
        std::vector<std::uint32_t> lists(5, 99);
        partition->assign(queries.view(), lists.data(), 1);
        for (const auto list : lists) CHECK(list < 50);
    }
}

TEST("partition: huge values never lose a probe") {
    samples::Rows centroids{std::vector<float>(64 * 4, 9e18f), 64, 4};
    for (std::size_t i = 0; i < centroids.values.size(); i += 3) centroids.values[i] = -9e18f;
    samples::Rows queries{{3e38f, -3e38f, 3e38f, 3e38f, 1, 2, 3, 4}, 2, 4};
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = fewbits::make_partition(parts_of(centroids), 4, metric);
        const auto probes = probes_of(*partition, queries.view(), 64);
        for (std::size_t i = 0; i < 2; ++i) {
            std::vector<bool> seen(64, false);
            for (std::size_t j = 0; j < 64; ++j) seen[probes[i * 64 + j].list] = true;
            CHECK_EQ(std::count(seen.begin(), seen.end(), true), 64);
        }
    }
}

TEST("partition: f16 centroids are the f32 ones they stand for") {
    auto centroids = samples::clustered(70, 9, 3);
    std::vector<std::uint16_t> halves(centroids.values.size());
    fewbits::kernels::active().f32_to_f16(centroids.values.data(), halves.size(), halves.data());
    fewbits::kernels::active().f16_to_f32(halves.data(), halves.size(), centroids.values.data());
    Parts stored = parts_of(centroids);
    const auto whole = fewbits::make_partition(stored, 9, Metric::ip);
    stored.arrays["partition.centroids"] = samples::array(DType::f16, halves);
    const auto half = fewbits::make_partition(stored, 9, Metric::ip);
    CHECK(std::equal(half->centroids().data, half->centroids().data + 630, whole->centroids().data));
    const auto queries = samples::clustered(6, 9, 4);
    const auto a = probes_of(*whole, queries.view(), 8), b = probes_of(*half, queries.view(), 8);
    CHECK(std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0);
}

// The share of rows not assigned to the best list by definition, up to float rounding. Also checks that lists do not
// depend on the division into calls and threads.
double disagreement(const Partition& partition, const samples::Rows& x, Metric metric) {
    std::vector<std::uint32_t> lists(x.n), other(x.n);
    partition.assign(x.view(), lists.data(), 1);
    for (const unsigned threads : {2u, 7u}) {
        partition.assign(x.view(), other.data(), threads);
        CHECK(lists == other);
    }
    for (std::size_t first = 0; first < x.n; first += 777)
        partition.assign(x.view().block(first, std::min<std::size_t>(777, x.n - first)), other.data() + first, 2);
    CHECK(lists == other);
    std::size_t worse = 0;
    const auto centroids = partition.centroids();
    for (std::size_t i = 0; i < x.n; ++i) {
        REQUIRE(lists[i] < centroids.rows);
        double best = -1e300;
        for (std::size_t c = 0; c < centroids.rows; ++c)
            best = std::max(best, score(x.view().row(i), centroids.row(c), x.d, metric));
        worse += score(x.view().row(i), centroids.row(lists[i]), x.d, metric) < best - 1e-4;
    }
    return static_cast<double>(worse) / static_cast<double>(x.n);
}

// Lists without structure, which are the hardest to find by codes.
struct Many {
    samples::Rows centroids = samples::clustered(12288, 200, 3, 12288), queries = samples::clustered(40, 200, 4, 40);
    std::shared_ptr<const Partition> partition(Metric metric) const {
        REQUIRE(fewbits::is_worth_coding(centroids.n, centroids.d));
        return fewbits::make_partition(parts_of(centroids), 200, metric);
    }
};

TEST("partition: of many lists nearly all of the best are probed, in order of their scores") {
    const Many many;
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = many.partition(metric);
        for (const std::uint32_t nprobe : {1u, 16u, 100u}) {
            const auto probes = probes_of(*partition, many.queries.view(), nprobe);
            std::size_t missed = 0;
            for (std::size_t i = 0; i < many.queries.n; ++i) {
                const float* q = many.queries.view().row(i);
                std::vector<double> all;
                for (std::size_t c = 0; c < many.centroids.n; ++c)
                    all.push_back(score(q, many.centroids.view().row(c), 200, metric));
                std::sort(all.begin(), all.end(), std::greater<>{});
                double before = INFINITY;
                for (std::uint32_t j = 0; j < nprobe; ++j) {
                    const auto& probe = probes[i * nprobe + j];
                    const float* c = many.centroids.view().row(probe.list);
                    const double own = score(q, c, 200, metric);
                    CHECK(own <= before + 1e-3);
                    before = own;
                    missed += own < all[nprobe - 1] - 1e-3;
                    const double coarse = samples::dot(q, c, 200) * (metric == Metric::l2 ? 2 : 1);
                    CHECK(std::abs(double{probe.coarse} - coarse) < 2e-3);
                }
            }
            CHECK(static_cast<double>(missed) < 0.1 * static_cast<double>(nprobe * many.queries.n));
        }
    }
}

TEST("partition: probes of many lists have the same bits alone and in a batch, and those of the scores of all lists") {
    const Many many;
    const auto partition = many.partition(Metric::l2), other = many.partition(Metric::l2);
    const auto together = probes_of(*partition, many.queries.view(), 30);
    std::vector<std::thread> threads;
    std::vector<int> same(4);
    for (std::size_t t = 0; t < 4; ++t)  // whose first probes make the codes, at the same time
        threads.emplace_back([&, t] {
            const auto alone = probes_of(*other, many.queries.view().block(9 * t, 1), 30);
            same[t] = std::memcmp(alone.data(), together.data() + 9 * t * 30, 30 * sizeof alone[0]) == 0;
        });
    for (auto& thread : threads) thread.join();
    CHECK_EQ(std::count(same.begin(), same.end(), 1), 4);
    // Scores of all lists, which filters use, are those of the probes.
    std::vector<float> scores(many.queries.n * many.centroids.n);
    partition->scores(many.queries.view(), scores.data());
    for (std::size_t p = 0; p < together.size(); ++p) {
        const auto list = together[p].list;
        CHECK_EQ(partition->coarse({list, scores[p / 30 * many.centroids.n + list]}), together[p].coarse);
    }
}

TEST("partition: many lists that are asked for, or a query of huge numbers, are compared one by one") {
    const Many many;
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = many.partition(metric);
        auto queries = many.queries;
        for (float& value : queries.values) value *= 1e30f;
        std::fill_n(queries.values.begin(), 200, 0.0f);
        for (const auto& asked : {std::pair{queries, 4u}, std::pair{many.queries, 12288u}}) {
            const auto few = asked.first.view().block(0, 3);
            const auto probes = probes_of(*partition, few, asked.second);
            for (std::size_t i = 0; i < few.rows; ++i) {
                std::vector<bool> seen(12288, false);
                for (std::uint32_t j = 0; j < asked.second; ++j) seen[probes[i * asked.second + j].list] = true;
                CHECK_EQ(std::count(seen.begin(), seen.end(), true), asked.second);
            }
        }
    }
}

TEST("partition: many lists of equal or zero centroids are probed once each") {
    for (const bool zero : {false, true}) {
        samples::Rows centroids{std::vector<float>(8192 * 256, zero ? 0.0f : 0.5f), 8192, 256};
        const auto queries = samples::clustered(2, 256, 4);
        for (const Metric metric : {Metric::l2, Metric::ip}) {
            const auto partition = fewbits::make_partition(parts_of(centroids), 256, metric);
            const auto probes = probes_of(*partition, queries.view(), 6);
            for (std::uint32_t j = 0; j < 6; ++j) CHECK_EQ(probes[j].list, j);
        }
    }
}

TEST("partition: assignment to few lists is exact") {
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = fewbits::make_partition(parts_of(samples::clustered(300, 13, 3)), 13, metric);
        CHECK_EQ(disagreement(*partition, samples::clustered(2000, 13, 4), metric), 0.0);
    }
}

TEST("partition: assignment to many lists is nearly so") {
    const auto x = samples::clustered(9000, 10, 4, 500);
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const samples::Rows centroids{{x.values.begin(), x.values.begin() + 5000 * 10}, 5000, 10};
        REQUIRE(centroids.n >= fewbits::two_level_from);
        const auto partition = fewbits::make_partition(parts_of(centroids), 10, metric);
        const samples::Rows some{{x.values.end() - 2500 * 10, x.values.end()}, 2500, 10};
        CHECK(disagreement(*partition, some, metric) < 0.01);
    }
}

TEST("partition: first assignments may come from many threads at once") {
    const auto x = samples::clustered(fewbits::two_level_from, 6, 4, 500);
    const auto partition = fewbits::make_partition(parts_of(x), 6, Metric::l2);
    std::vector<std::vector<std::uint32_t>> lists(4, std::vector<std::uint32_t>(x.n));
    std::vector<std::thread> threads;
    for (auto& mine : lists) threads.emplace_back([&] { partition->assign(x.view(), mine.data(), 1); });
    for (auto& thread : threads) thread.join();
    for (const auto& mine : lists) CHECK(mine == lists[0]);
}

TEST("partition: many equal centroids") {
    samples::Rows centroids = samples::clustered(fewbits::two_level_from, 4, 3);
    for (std::size_t c = 0; c < centroids.n; ++c)
        std::copy_n(centroids.values.begin() + static_cast<std::ptrdiff_t>(c % 10 * 4), 4,
                    centroids.values.begin() + static_cast<std::ptrdiff_t>(c * 4));
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        const auto partition = fewbits::make_partition(parts_of(centroids), 4, metric);
        CHECK_EQ(disagreement(*partition, samples::clustered(300, 4, 5), metric), 0.0);
    }
}

TEST("partition: hostile parts are refused") {
    const auto centroids = samples::clustered(20, 6, 3);
    const auto made = [](const Parts& parts, std::uint32_t dim = 6) {
        return fewbits::make_partition(parts, dim, Metric::l2)->nlist();
    };
    CHECK_EQ(made(parts_of(centroids)), 20u);
    for (const std::uint64_t nlist :
         {std::uint64_t{0}, std::uint64_t{19}, std::uint64_t{21}, std::uint64_t{1} << 25, ~std::uint64_t{0}}) {
        Parts parts = parts_of(centroids);
        parts.params["partition.nlist"] = nlist;
        CHECK_THROWS(made(parts), "partition.");
    }
    CHECK_THROWS(made(parts_of(centroids), 7), "partition.centroids");
    for (const float wrong : {NAN, INFINITY, -INFINITY, 3e38f}) {
        auto changed = centroids;
        changed.values[77] = wrong;
        CHECK_THROWS(made(parts_of(changed)), "centroid 12");
    }
    // Squares that sum up to exactly the largest float: one of 2^(104 + j) for each even j below 24, two for odd ones.
    samples::Rows longest{{}, 1, 36};
    for (int j = 0; j < 24; ++j) longest.values.insert(longest.values.end(), 1 + j % 2, std::ldexp(1.0f, 52 + j / 2));
    CHECK_EQ(made(parts_of(longest), 36), 1u);
    longest.values[0] *= 2;
    CHECK_THROWS(made(parts_of(longest), 36), "centroid 0");
    for (const std::size_t nlist : {std::size_t{1}, std::size_t{2}}) {
        Parts spilled = parts_of(samples::clustered(nlist, 6, 3));
        spilled.arrays["partition.spill"] = samples::array(DType::f32, std::vector<float>{0, 0});
        if (nlist == 2) CHECK_EQ(made(spilled), 2u);
        if (nlist == 1) CHECK_THROWS(made(spilled), "two lists or more");
        spilled.arrays["partition.spill"] = samples::array(DType::f32, std::vector<float>{0, -1});
        CHECK_THROWS(made(spilled), "at least 0");
    }
    Parts missing = parts_of(centroids);
    missing.arrays.clear();
    CHECK_THROWS(made(missing), "partition.centroids");
    Parts bytes = parts_of(centroids);
    bytes.arrays["partition.centroids"].dtype = DType::u8;
    CHECK_THROWS(made(bytes), "partition.centroids");
    Parts infinite = parts_of(centroids);
    infinite.arrays["partition.centroids"] = samples::array(DType::f16, std::vector<std::uint16_t>(120, 0x7c00));
    CHECK_THROWS(made(infinite), "centroid 0");
    Parts kind = parts_of(centroids);
    kind.params["partition.kind"] = 2;
    CHECK_THROWS(made(kind), "partition.kind");
    kind.params = {{"partition.kind", 0}, {"partition.nlist", 2}};
    CHECK_THROWS(made(kind), "partition.nlist");
}

TEST("partition: nprobe out of range") {
    const auto partition = fewbits::make_partition(parts_of(samples::clustered(20, 6, 3)), 6, Metric::l2);
    const auto queries = samples::clustered(2, 6, 4);
    CHECK_THROWS(probes_of(*partition, queries.view(), 0), "nprobe: got 0");
    CHECK_THROWS(probes_of(*partition, queries.view(), 21), "nprobe: got 21");
    CHECK_EQ(probes_of(*partition, {queries.values.data(), 0, 6}, 3).size(), 0u);
}

TEST("assign: refuses centroids of another dimension") {
    const auto x = samples::clustered(5, 3, 4), centroids = samples::clustered(5, 4, 4);
    std::vector<std::uint32_t> lists(5);
    CHECK_THROWS(fewbits::assign(x.view(), centroids.view(), false, lists.data(), 1), "centroids: got 4");
    CHECK_THROWS(fewbits::assign(x.view(), {x.values.data(), 0, 3}, false, lists.data(), 1), "centroids: got none");
}

}  // namespace
