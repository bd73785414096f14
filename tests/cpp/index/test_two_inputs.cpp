// A rerank store of another embedding: results are candidates by the first, ranked by products with the other; after
// any change the index equals one built from the same rows; what does not fit is refused before anything changes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "check.h"
#include "index/models.h"
#include "index/score.h"
#include "index/search_call.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::uint32_t d = 9, other_d = 21;
constexpr std::size_t n = 300, n_queries = 7, k = 5;

const std::vector<float> x_values = random_floats(n * d, 3), y_values = random_floats(n * other_d, 5);
const std::vector<float> q_values = random_floats(n_queries * d, 4), r_values = random_floats(n_queries * other_d, 6);
const MatrixView x{x_values.data(), n, d}, y{y_values.data(), n, other_d};
const MatrixView queries{q_values.data(), n_queries, d}, others{r_values.data(), n_queries, other_d};

const std::vector<Choice>& choices() {
    static const std::vector<Choice> all = {
        {Metric::l2, 5, "pq4", true, "float32"},
        {Metric::ip, 0, "staged", false, "scalar8", true},
        {Metric::cosine, 4, "scalar4", false, "float32", true},
    };
    return all;
}

Parts make_two(const Choice& choice) {
    Choice first = choice;
    first.rerank.clear();
    Parts parts = make_parts(first, x);
    add_codec(parts, "rerank", choice.rerank, y);
    parts.params["rerank.on_disk"] = choice.on_disk;
    parts.params["rerank.dim"] = other_d;
    if (choice.metric == Metric::l2) parts.arrays["rerank.center"] = array_of(std::vector<float>(other_d, 0.25f));
    return parts;
}

void add_two(Engine& engine, std::size_t first, std::size_t count, const std::int64_t* ids = nullptr) {
    const auto builder = engine.builder(count, "");
    builder->append(x.block(first, count), ids, 2, nullptr, nullptr, y.block(first, count));
    engine.publish(*builder, OnConflict::replace);
}

SearchParams reranking(std::size_t depth) {
    SearchParams params{.k = k, .nprobe = 2, .rerank = depth, .threads = 1};
    params.rerank_queries = others;
    return params;
}

double similarity(Metric metric, const float* a, const float* b) {
    double product = 0, squares_a = 0, squares_b = 0, distance = 0;
    for (std::size_t j = 0; j < other_d; ++j) {
        product += double{a[j]} * b[j];
        squares_a += double{a[j]} * a[j];
        squares_b += double{b[j]} * b[j];
        distance += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
    }
    if (metric == Metric::l2) return distance;
    return metric == Metric::ip ? product : product / std::sqrt(squares_a * squares_b);
}

}  // namespace

TEST("two inputs: candidates of the first are ranked by the rows of the other") {
    for (const Choice& choice : choices()) {
        Engine engine(make_two(choice));
        add_two(engine, 0, n);
        const std::size_t depth = 40;
        const Found candidates = find(engine, queries, {.k = depth, .nprobe = 2, .threads = 1});
        const Found found = find(engine, queries, reranking(depth));
        std::vector<std::int64_t> all(n);
        std::iota(all.begin(), all.end(), 0);
        std::vector<float> rows(n * other_d);
        engine.reconstruct_rerank(all, rows.data());
        for (std::size_t i = 0; i < n_queries; ++i) {
            std::vector<double> exact;
            for (std::size_t j = 0; j < depth; ++j)
                exact.push_back(
                    similarity(choice.metric, others.row(i),
                               rows.data() + static_cast<std::size_t>(candidates.ids[i * depth + j]) * other_d));
            std::sort(exact.begin(), exact.end());
            if (choice.metric != Metric::l2) std::reverse(exact.begin(), exact.end());
            for (std::size_t j = 0; j < k; ++j) CHECK(std::abs(found.scores[i * k + j] - exact[j]) < 0.02);
        }
        if (choice.rerank == "float32" && choice.metric == Metric::l2)
            for (std::size_t i = 0; i < rows.size(); ++i) CHECK(std::abs(rows[i] - y_values[i]) < 1e-5f);
        SearchParams several = reranking(depth);
        several.threads = 3;
        CHECK(find(engine, queries, several) == found);
        std::vector<float> scores(n_queries * k);
        score(engine.snapshot(), others, {found.ids.data(), n_queries, k}, 2, scores.data());
        CHECK(scores == found.scores);
    }
}

TEST("two inputs: each query keeps its other query under filters of its own") {
    Engine engine(make_two(choices()[0]));
    add_two(engine, 0, n);
    const auto even = Filter::of_ids(std::vector<std::int64_t>{0, 2, 4, 6, 8, 10, 12, 14}, true);
    const auto odd = Filter::of_ids(std::vector<std::int64_t>{1, 3, 5, 7, 9, 11, 13, 15}, true);
    const std::vector<const Filter*> filters{even.get(), odd.get()};
    const std::vector<std::uint32_t> of_query{1, 0, 1, 1, 0, 0, 1};
    Found found{std::vector<std::int64_t>(n_queries * k), std::vector<float>(n_queries * k)};
    search_call(engine.snapshot(), queries, reranking(n), {filters, of_query}, found.ids.data(), found.scores.data());
    for (std::size_t i = 0; i < n_queries; ++i) {
        SearchParams alone = reranking(n);
        alone.rerank_queries = others.block(i, 1);
        Found one{std::vector<std::int64_t>(k), std::vector<float>(k)};
        search_call(engine.snapshot(), queries.block(i, 1), alone, {std::span(filters).subspan(of_query[i], 1), {}},
                    one.ids.data(), one.scores.data());
        for (std::size_t j = 0; j < k; ++j) {
            CHECK_EQ(found.ids[i * k + j], one.ids[j]);
            CHECK_EQ(found.scores[i * k + j], one.scores[j]);
            CHECK_EQ(found.ids[i * k + j] % 2, std::int64_t{of_query[i]});
        }
    }
}

TEST("two inputs: changes keep both, as an index built at once") {
    for (const Choice& choice : choices()) {
        Engine engine(make_two(choice)), fresh(make_two(choice));
        add_two(engine, 0, 120);
        add_two(engine, 120, n - 120);
        std::vector<std::int64_t> ids(50);
        std::iota(ids.begin(), ids.end(), 60);
        add_two(engine, 60, 50, ids.data());  // the same rows again
        CHECK_EQ(engine.remove(std::vector<std::int64_t>{1, 2, 3}), 3u);
        add_two(fresh, 0, n);
        fresh.remove(std::vector<std::int64_t>{1, 2, 3});
        const Found expected = find(fresh, queries, reranking(n));
        CHECK(find(engine, queries, reranking(n)) == expected);
        engine.compact(2);
        CHECK(find(engine, queries, reranking(n)) == expected);
        const auto again = Engine::from_bytes(engine.to_bytes(""));
        CHECK(find(*again, queries, reranking(n)) == expected);
        CHECK_EQ(again->params().at("format"), 2u);
    }
}

TEST("two inputs: what does not fit is refused, and nothing changes") {
    Engine engine(make_two(choices()[0]));
    add_two(engine, 0, n);
    const auto before = engine.to_bytes("");
    SearchParams params = reranking(20);
    params.rerank_queries = {};
    CHECK_THROWS(find(engine, queries, params), "rerank_queries: expected 7 of 21 dimensions");
    params.rerank_queries = others.block(0, 3);
    CHECK_THROWS(find(engine, queries, params), "got 3 of 21");
    params = reranking(0);
    CHECK_THROWS(find(engine, queries, params), "expected none");
    const auto builder = engine.builder(n, "");
    CHECK_THROWS(builder->append(x, nullptr, 1), "rerank_vectors: got 0 of 0 dimensions, expected 300 of 21");
    CHECK_THROWS(builder->append(x, nullptr, 1, nullptr, nullptr, x), "rerank_vectors: got 300 of 9");
    std::vector<float> broken = y_values;
    broken[123 * other_d] = std::numeric_limits<float>::infinity();
    CHECK_THROWS(builder->append(x, nullptr, 1, nullptr, nullptr, {broken.data(), n, other_d}),
                 "rerank_vectors: expected finite");
    CHECK(engine.to_bytes("") == before);

    Engine one(make_parts({Metric::l2, 0, "pq8", false, "float32"}, x));
    CHECK_THROWS(one.builder(n, "")->append(x, nullptr, 1, nullptr, nullptr, y),
                 "rerank_vectors: this index has no other");
    std::vector<float> out(other_d);
    add(one, x);
    CHECK_THROWS(one.reconstruct_rerank(std::vector<std::int64_t>{1}, out.data()), "no other embedding");

    for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{65536}, std::uint64_t{other_d} + 1}) {
        Parts parts = make_two(choices()[0]);
        parts.params["rerank.dim"] = wrong;
        CHECK_THROWS(Engine(parts), "rerank");
    }
    Parts parts = make_two(choices()[0]);
    parts.params.erase("rerank.dim");
    CHECK_THROWS(Engine(parts), "rerank.center");
    parts = make_two(choices()[0]);
    parts.params["rerank.kind"] = 0;
    CHECK_THROWS(Engine(parts), "rerank.dim");
}
