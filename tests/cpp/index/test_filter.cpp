// Filters compared with a scan of all rows: whichever vectors are allowed and however they are scanned (packed, or list
// by list), the scores have the same bits as without a filter.
#include <algorithm>
#include <atomic>
#include <map>

#include "check.h"
#include "index/filtered.h"
#include "index/search_call.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

bool third(std::int64_t id) {
    return id % 3 == 0;
}
bool few(std::int64_t id) {
    return id % 97 == 5;
}
bool one(std::int64_t id) {
    return id == 123;
}
bool none(std::int64_t) {
    return false;
}

std::vector<std::int64_t> ids_where(Filter::Predicate allows) {
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 0; id < static_cast<std::int64_t>(n); ++id)
        if (allows(id)) ids.push_back(id);
    return ids;
}

}  // namespace

TEST("filter: all lists give the allowed of the unfiltered result, score by score") {
    const Choice choices[] = {{Metric::l2, 9, "pq4", true, ""},
                              {Metric::ip, 9, "pq8", true, "scalar8"},
                              {Metric::cosine, 0, "staged", false, ""},
                              {Metric::l2, 9, "staged", false, "float32"},
                              {Metric::l2, 0, "float32", false, ""}};
    for (const Choice& choice : choices) {
        Engine engine(make_parts(choice, x()));
        add(engine, x().block(0, 3000));
        add(engine, x().block(3000, n - 3000));
        const std::vector<std::int64_t> removed{123 + 97, 5, 6};
        engine.remove(removed);
        const std::size_t rerank = choice.rerank.empty() ? 0 : n;
        const Found all = find(engine, q(), {.k = n, .nprobe = 100, .rerank = rerank});
        for (const Filter::Predicate allows : {third, few, one, none}) {
            const auto filter = Filter::of_predicate(allows);
            for (const unsigned threads : {1u, 3u}) {
                const SearchParams params{.k = k, .nprobe = 100, .rerank = rerank, .threads = threads};
                const Found found = filtered(engine, *filter, params);
                for (std::size_t i = 0; i < n_queries; ++i) {
                    std::size_t j = 0;
                    for (std::size_t r = i * n; r < (i + 1) * n && j < k; ++r)
                        if (all.ids[r] >= 0 && allows(all.ids[r])) CHECK_EQ(found.scores[i * k + j++], all.scores[r]);
                    for (std::size_t r = 0; r < k; ++r) {
                        CHECK((found.ids[i * k + r] >= 0) == (r < j));
                        CHECK(r >= j || allows(found.ids[i * k + r]));
                    }
                }
                for (std::size_t i = 0; i < n_queries; ++i) {
                    const Found alone = filtered(engine, *filter, params, q().block(i, 1));
                    CHECK(std::equal(alone.ids.begin(), alone.ids.end(),
                                     found.ids.begin() + static_cast<std::ptrdiff_t>(i * k)));
                }
            }
        }
    }
}

TEST("filter: mask, ids, all but ids and a predicate say the same") {
    Engine engine(make_parts({Metric::l2, 9, "pq4", true, "scalar8"}, x()));
    add(engine, x());
    for (const Filter::Predicate allows : {third, few, one, none}) {
        const std::vector<std::int64_t> ids = ids_where(allows);
        std::vector<std::uint8_t> mask(n);
        std::vector<std::int64_t> others;
        for (std::int64_t id = 0; id < static_cast<std::int64_t>(n); ++id) {
            mask[static_cast<std::size_t>(id)] = allows(id);
            if (!allows(id)) others.push_back(id);
        }
        const SearchParams params{.k = k, .nprobe = 3, .rerank = 40, .threads = 2};
        const Found found = filtered(engine, *Filter::of_predicate(allows), params);
        CHECK(found == filtered(engine, *Filter::of_mask(mask), params));
        CHECK(found == filtered(engine, *Filter::of_ids(ids, true), params));
        CHECK(found == filtered(engine, *Filter::of_ids(others, false), params));
    }
}

std::atomic<std::size_t> asked{0};
bool counting(std::int64_t id) {
    ++asked;
    return id % 3 == 0;
}

TEST("filter: a predicate is asked about what a search looks at, and once") {
    Engine engine(make_parts({Metric::l2, 50, "pq4", true, ""}, x()));
    add(engine, x());
    const auto filter = Filter::of_predicate(counting);
    constexpr std::size_t sample = 2048;
    for (const unsigned threads : {1u, 3u})
        (void)filtered(engine, *filter, {.k = k, .nprobe = 1, .threads = threads}, q().block(0, 1));
    CHECK(asked > sample);
    CHECK(asked < sample + n / 2);
    for (const unsigned threads : {1u, 3u}) (void)filtered(engine, *filter, {.k = k, .nprobe = 50, .threads = threads});
    CHECK_EQ(asked.load(), sample + n);
}

TEST("filter: what is allowed is copied for many queries, and they find what the first found, ties included") {
    static std::atomic<std::size_t> calls;
    const auto fifth = [](std::int64_t id) {
        ++calls;
        return id % 5 == 0;
    };
    constexpr std::size_t copies = 5;
    for (const Choice& choice :
         {Choice{Metric::l2, 40, "pq4", true, ""}, {Metric::ip, 40, "staged", true, "scalar8"}}) {
        Engine engine(make_parts(choice, x()));
        for (std::size_t copy = 0; copy < copies; ++copy) add(engine, x());
        calls = 0;
        const auto filter = Filter::of_predicate(fifth);
        const SearchParams params{.k = k, .nprobe = 2, .rerank = choice.rerank.empty() ? 0u : 40u};
        const Found first = filtered(engine, *filter, params, q().block(0, 1));
        CHECK(calls < copies * n);
        for (int again = 0; again < 300; ++again) CHECK(filtered(engine, *filter, params, q().block(0, 1)) == first);
        CHECK(calls > copies * n);  // called for nearly all rows, as their codes are copied
        const Found all = filtered(engine, *filter, params);
        const auto fresh = Filter::of_predicate(fifth);
        CHECK(all == filtered(engine, *fresh, params));
    }
}

TEST("filter: thresholds cut the result where its scores fall below") {
    for (const char* rerank : {"", "float32"}) {
        Engine engine(make_parts({Metric::ip, 9, "pq8", true, rerank}, x()));
        add(engine, x());
        SearchParams params{.k = 50, .nprobe = 9, .rerank = rerank[0] ? n : 0, .threads = 2};
        const Found all = find(engine, q(), params);
        params.min_score = all.scores[20];
        const Found found = find(engine, q(), params);
        for (std::size_t i = 0; i < all.ids.size(); ++i)
            CHECK_EQ(found.ids[i], all.scores[i] >= params.min_score ? all.ids[i] : -1);
    }
}

TEST("filter: every query has a filter, and it is one of those given") {
    Engine engine(make_parts({Metric::ip, 0, "float32", false, ""}, x()));
    add(engine, x().block(0, 100));
    const auto even = Filter::of_ids(std::vector<std::int64_t>{0, 2, 4}, true);
    const std::vector<const Filter*> filters{even.get(), even.get()};
    std::vector<std::int64_t> ids(n_queries * k);
    std::vector<float> scores(ids.size());
    const auto searched = [&](std::vector<std::uint32_t> of_query) {
        search_call(engine.snapshot(), q().block(0, 2), {.k = k}, {filters, of_query}, ids.data(), scores.data());
    };
    searched({0, 1});
    CHECK_EQ(ids[0] % 2, 0);
    CHECK_THROWS(searched({0, 2}), "number of a query is out of range");
    CHECK_THROWS(searched({0}), "filters: got 1, expected one per query, 2");
    CHECK_THROWS(searched({0, 1, 1}), "filters: got 3, expected one per query, 2");
}
