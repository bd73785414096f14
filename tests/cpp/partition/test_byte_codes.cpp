// Codes of 8 bits: products are within the error that is promised, and the centroids that a query alone finds through
// them are bit for bit those of a batch, which compares all.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "check.h"
#include "partition/byte_codes.h"
#include "partition/exact_centroids.h"
#include "partition/partition.h"
#include "partition/samples.h"
#include "partition/screened_centroids.h"

namespace {

using fewbits::Metric;

constexpr std::size_t lists = 1400, dim = 258;

struct Case {
    const char* name;
    std::function<void(samples::Rows& centroids, samples::Rows& queries)> change;
    bool few_remain = true;
};

void scale(samples::Rows& rows, double by) {
    for (float& value : rows.values) value = static_cast<float>(value * by);
}
void shift(samples::Rows& rows, float by) {
    for (float& value : rows.values) value += by;
}

const std::vector<Case>& cases() {
    static const std::vector<Case> all{
        {"plain", [](auto&, auto&) {}},
        {"with one large coordinate",
         [](auto& c, auto& q) {
             for (std::size_t i = 0; i < c.n; ++i) c.values[i * dim + 7] *= 30;
             for (std::size_t i = 0; i < q.n; ++i) q.values[i * dim + 9] *= 30;
         },
         false},
        {"far from zero", [](auto& c, auto& q) { shift(c, 40), shift(q, 40); }, false},
        {"of very different lengths",
         [](auto& c, auto&) {
             for (std::size_t i = 0; i < c.values.size(); ++i)
                 c.values[i] *= std::exp2(static_cast<float>(i / dim % 30) - 15);
         },
         false},
        {"that hardly differ",
         [](auto& c, auto&) {
             for (std::size_t i = dim; i < c.values.size(); ++i)
                 c.values[i] = c.values[i % dim] * (1 + 1e-7f * static_cast<float>(i % 3));
         },
         false},
        {"in equal pairs",
         [](auto& c, auto&) {
             for (std::size_t i = 0; i < c.n; i += 2) std::copy_n(&c.values[i * dim], dim, &c.values[(i + 1) * dim]);
         }},
        {"with zeros",
         [](auto& c, auto& q) {
             std::fill_n(c.values.begin() + 9 * dim, 5 * dim, 0.0f);
             std::fill_n(q.values.begin(), dim, 0.0f);
         }},
        {"that are huge", [](auto& c, auto& q) { scale(c, 1e17), scale(q, 1e14); }, false},
        {"with queries that are huge", [](auto&, auto& q) { scale(q, 1e30); }, false},
        {"that are tiny", [](auto& c, auto& q) { scale(c, 1e-25), scale(q, 1e-30); }, false},
        {"with tiny queries", [](auto&, auto& q) { scale(q, 1e-40); }, false},
    };
    return all;
}

TEST("byte codes: products are within their error, for any numbers") {
    for (const Case& each : cases()) {
        auto rows = samples::clustered(lists, dim, 3), queries = samples::clustered(20, dim, 4);
        each.change(rows, queries);
        fewbits::ByteCodes codes(lists, dim);
        for (std::size_t c = 0; c < lists; ++c) codes.set(c, {rows.view().row(c), dim});
        fewbits::ByteCodes::Query coded;
        std::vector<float> products(lists);
        double used = 0;
        for (std::size_t i = 0; i < queries.n; ++i) {
            if (!codes.prepare({queries.view().row(i), dim}, coded)) {
                CHECK(*std::ranges::max_element(queries.values) > 1e14);
                continue;
            }
            codes.products(coded, nullptr, lists, products.data());
            for (std::size_t c = 0; c < lists; ++c) {
                const double wanted = samples::dot(queries.view().row(i), rows.view().row(c), dim);
                const double error = codes.error(coded, c);
                const double rounding =
                    1e-38 + 1e-6 * coded.length * std::sqrt(samples::dot(rows.view().row(c), rows.view().row(c), dim));
                CHECK(std::abs(wanted - double{products[c]}) <= error + rounding);
                used = std::max(used, std::abs(wanted - double{products[c]}) / error);
            }
        }
        if (each.few_remain) CHECK(used > 0.05);  // the error is not promised needlessly large
    }
}

TEST("byte codes: some rows have the products of all") {
    const auto rows = samples::clustered(40, dim, 3), query = samples::clustered(1, dim, 4);
    fewbits::ByteCodes codes(40, dim);
    for (std::size_t c = 0; c < 40; ++c) codes.set(c, {rows.view().row(c), dim});
    fewbits::ByteCodes::Query coded;
    REQUIRE(codes.prepare({query.view().row(0), dim}, coded));
    std::vector<float> all(40), some(3);
    codes.products(coded, nullptr, 40, all.data());
    const std::vector<std::uint32_t> chosen{31, 2, 17};
    codes.products(coded, chosen.data(), 3, some.data());
    for (std::size_t i = 0; i < 3; ++i) CHECK_EQ(some[i], all[chosen[i]]);
}

TEST("screened centroids: a query alone finds what it finds in a batch, bit for bit, for any numbers") {
    for (const Case& each : cases()) {
        for (const Metric metric : {Metric::l2, Metric::ip}) {
            auto centroids = samples::clustered(lists, dim, 3), queries = samples::clustered(60, dim, 4);
            each.change(centroids, queries);
            fewbits::Parts parts;
            parts.params = {{"partition.kind", 1}, {"partition.nlist", lists}};
            parts.arrays["partition.centroids"] = samples::array(fewbits::DType::f32, centroids.values);
            const auto partition = fewbits::make_partition(parts, dim, metric);
            for (const std::uint32_t nprobe : {1u, 8u, 80u}) {
                REQUIRE(fewbits::is_worth_screening(lists, dim, nprobe));
                std::vector<fewbits::Partition::Probe> together(queries.n * nprobe), alone(nprobe);
                partition->nearest(queries.view(), nprobe, together.data());
                for (std::size_t i = 0; i < queries.n; ++i) {
                    partition->nearest(queries.view().block(i, 1), nprobe, alone.data());
                    CHECK(std::memcmp(alone.data(), together.data() + i * nprobe, nprobe * sizeof alone[0]) == 0);
                }
            }
        }
    }
}

TEST("screened centroids: codes rule out most") {
    for (const Case& each : cases()) {
        if (!each.few_remain) continue;
        for (const bool spherical : {false, true}) {
            auto centroids = samples::clustered(lists, dim, 3), queries = samples::clustered(60, dim, 4);
            each.change(centroids, queries);
            const auto terms = fewbits::centroid_terms(centroids.view(), spherical);
            const fewbits::ScreenedCentroids screened(centroids.view(), spherical, terms);
            fewbits::BestScores best;
            for (std::size_t i = 1; i < queries.n; ++i) {  // the first may be zero
                best.reset(8);
                CHECK(screened.offer(queries.view().row(i), 8, best));
            }
        }
    }
}

}  // namespace
