// Selection compared with sorting.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "blocks/top_k.h"
#include "check.h"

using namespace fewbits;

namespace {

bool same(const Hit& x, const Hit& y) {
    return x.row == y.row && x.score == y.score;
}

void check_selection(const std::vector<Hit>& hits) {
    std::vector<Hit> sorted = hits;
    std::sort(sorted.begin(), sorted.end(), BetterHit{});
    const std::size_t one = std::min<std::size_t>(1, hits.size());
    for (const std::size_t count : {std::size_t{0}, one, hits.size() / 10, hits.size() / 2, hits.size()}) {
        std::vector<Hit> selected = hits;
        select_best(selected, count);
        std::sort(selected.begin(), selected.begin() + static_cast<std::ptrdiff_t>(count), BetterHit{});
        CHECK(
            std::equal(selected.begin(), selected.begin() + static_cast<std::ptrdiff_t>(count), sorted.begin(), same));
        std::sort(selected.begin(), selected.end(), BetterHit{});
        CHECK(std::equal(selected.begin(), selected.end(), sorted.begin(), sorted.end(), same));
    }
}

}  // namespace

TEST("hits: the best are selected, whatever the scores and their order") {
    std::mt19937 random(1);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float ends[] = {infinity, -infinity, 0.0f, -0.0f};
    for (const std::uint32_t n : {0u, 1u, 2u, 15u, 16u, 17u, 100u, 1000u, 5000u}) {
        std::vector<Hit> hits(n);
        for (const int kind : {0, 1, 2, 3, 4}) {
            for (std::uint32_t i = 0; i < n; ++i) {
                const auto number = static_cast<float>(random() % 1000);
                const float scores[] = {number, static_cast<float>(i), -static_cast<float>(i), 1.0f,
                                        ends[random() % 4]};
                hits[i] = {i, scores[kind]};
            }
            check_selection(hits);
            std::shuffle(hits.begin(), hits.end(), random);  // rows in any order
            check_selection(hits);
        }
    }
}

TEST("hits: selection of organ pipes and saws") {
    for (const std::uint32_t n : {1000u, 20000u}) {
        std::vector<Hit> pipes(n), saws(n);
        for (std::uint32_t i = 0; i < n; ++i) {
            pipes[i] = {i, static_cast<float>(i < n / 2 ? i : n - i)};
            saws[i] = {i, static_cast<float>(i % 7)};
        }
        check_selection(pipes);
        check_selection(saws);
    }
}

TEST("hits: of equal scores those with the smallest ids are kept, in their order, whatever arrives when") {
    struct Backwards : RowIds {
        std::int64_t id(std::uint32_t row) const override { return -std::int64_t{row}; }
    } backwards;
    std::mt19937 random(2);
    for (const std::uint32_t scores : {1u, 2u, 5u, 1000u}) {
        std::vector<Hit> hits(3000);
        for (std::uint32_t i = 0; i < hits.size(); ++i) hits[i] = {i, static_cast<float>(random() % scores)};
        std::vector<Hit> sorted = hits;
        std::sort(sorted.begin(), sorted.end(),
                  [](const Hit& x, const Hit& y) { return x.score != y.score ? x.score > y.score : x.row > y.row; });
        for (const std::size_t capacity : {std::size_t{1}, std::size_t{7}, std::size_t{100}, hits.size() + 1}) {
            std::shuffle(hits.begin(), hits.end(), random);
            TopHits top;
            top.break_ties_by(&backwards);
            top.reset(capacity);
            for (const Hit& hit : hits)
                if (hit.score >= top.threshold()) top.push(hit);
            const auto best = top.sorted();
            CHECK(best.size() == std::min(capacity, hits.size()));
            CHECK(std::equal(best.begin(), best.end(), sorted.begin(), same));
        }
    }
}
