// The pipeline for every combination of parts: compared with exact search where it must be exact, and with itself
// everywhere (batch and single, any threads, one segment or several, saved and opened).
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <unistd.h>

#include "check.h"
#include "codec/registry.h"
#include "index/exact.h"
#include "index/models.h"
#include "index/score.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::uint32_t d = 9;
constexpr std::size_t n = 777;
constexpr std::size_t n_queries = 13;

const std::vector<float>& base() {
    static const std::vector<float> x = random_floats(n * d, 1);
    return x;
}
const std::vector<float>& questions() {
    static const std::vector<float> x = random_floats(n_queries * d, 2);
    return x;
}
MatrixView x() {
    return {base().data(), n, d};
}
MatrixView q() {
    return {questions().data(), n_queries, d};
}

std::vector<Choice> choices() {
    std::vector<Choice> all;
    for (const Metric metric : {Metric::l2, Metric::ip, Metric::cosine})
        for (const std::uint32_t nlist : {0u, 7u})
            for (const char* codec :
                 {"float32", "float16", "scalar8", "scalar4", "staged", "pq4", "pq8", "rabitq", "digits", "binary"}) {
                if (codec == std::string("binary") && metric != Metric::cosine) continue;
                for (const char* rerank : {"", "float32", "scalar8"})
                    all.push_back({metric, nlist, codec, nlist > 0 && std::string(codec).starts_with("pq"), rerank});
            }
    return all;
}

std::vector<char> contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string temporary(const char* name) {
    return (std::filesystem::temp_directory_path() / (std::to_string(::getpid()) + name)).string();
}

}  // namespace

TEST("search: every codec of the registry is among the choices") {
    std::set<std::uint64_t> made;
    for (const Choice& choice : choices()) made.insert(make_parts(choice, x()).params.at("codec.kind"));
    for (const CodecKind& codec : codec_kinds()) CHECK(made.contains(codec.kind));
}

TEST("search: all lists and a float codec or float rerank of everything give the exact result") {
    for (const Choice& choice : choices()) {
        if (choice.codec != "float32" && choice.rerank != "float32") continue;
        if (choice.rerank == "scalar8") continue;
        Engine engine(make_parts(choice, x()));
        add(engine, x());
        const std::size_t k = 10;
        const Found found = find(engine, q(), {k, 100, choice.rerank.empty() ? 0 : n, 2});
        Found exact{std::vector<std::int64_t>(n_queries * k), std::vector<float>(n_queries * k)};
        exact_search(x(), q(), k, choice.metric, 0, 2, exact.ids.data(), exact.scores.data());
        for (std::size_t i = 0; i < exact.ids.size(); ++i)
            CHECK(std::abs(found.scores[i] - exact.scores[i]) <= 1e-4f * (1 + std::abs(exact.scores[i])));
        std::size_t same = 0;
        for (std::size_t i = 0; i < exact.ids.size(); ++i) same += found.ids[i] == exact.ids[i];
        CHECK(same + 2 >= exact.ids.size());  // except for near ties
    }
}

TEST("search: one query at a time, any threads and any blocks of adding give the same bits") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x())), other(make_parts(choice, x()));
        add(engine, x(), nullptr, 100);
        add(other, x(), nullptr, 13);
        const SearchParams params{5, 3, choice.rerank.empty() ? 0u : 40u, 1};
        const Found batch = find(engine, q(), params);
        CHECK(batch == find(other, q(), params));
        SearchParams threads = params;
        for (threads.threads = 2; threads.threads < 5; ++threads.threads) CHECK(batch == find(engine, q(), threads));
        for (std::size_t i = 0; i < n_queries; ++i) {
            const Found single = find(engine, q().block(i, 1), params);
            CHECK(std::equal(single.ids.begin(), single.ids.end(),
                             batch.ids.begin() + static_cast<std::ptrdiff_t>(i * 5)));
            CHECK(std::equal(single.scores.begin(), single.scores.end(),
                             batch.scores.begin() + static_cast<std::ptrdiff_t>(i * 5)));
        }
    }
}

TEST("search: many queries that take turns with a long list find what each finds alone") {
    constexpr std::size_t rows = 4500, many = 700;  // more than a chunk, and than have their tables in cache
    const std::vector<float> vectors = random_floats(rows * d, 5), asked = random_floats(many * d, 6);
    const MatrixView all{asked.data(), many, d};
    for (const char* codec : {"float32", "scalar4", "staged", "pq4", "pq8", "rabitq", "digits"}) {
        const MatrixView some{vectors.data(), rows, d};
        Engine engine(make_parts({Metric::ip, 0, codec, false, ""}, some));
        add(engine, some);
        const SearchParams params{5, 1, 0, 1};
        const Found batch = find(engine, all, params);
        for (std::size_t i = 0; i < many; i += 23) {
            const Found single = find(engine, all.block(i, 1), params);
            CHECK(std::equal(single.ids.begin(), single.ids.end(),
                             batch.ids.begin() + static_cast<std::ptrdiff_t>(i * 5)));
            CHECK(std::equal(single.scores.begin(), single.scores.end(),
                             batch.scores.begin() + static_cast<std::ptrdiff_t>(i * 5)));
        }
    }
}

// In one long list, more staged hits than may wait for their full scores; in many short ones, none waits.
TEST("search: staged codes of a dense cluster have the same hits in one long list and in many short ones") {
    constexpr std::size_t rows = 12000;
    std::vector<float> vectors = random_floats(rows * d, 7);
    for (std::size_t i = 0; i < vectors.size(); ++i) vectors[i] = base()[i % d] + 0.2f * vectors[i];
    const MatrixView all{vectors.data(), rows, d};
    for (const Metric metric : {Metric::l2, Metric::ip, Metric::cosine}) {
        Engine flat(make_parts({metric, 0, "staged", false, ""}, all));
        Engine lists(make_parts({metric, 40, "staged", false, ""}, all));
        add(flat, all, nullptr, 3000);
        add(lists, all, nullptr, 3000);
        for (const std::size_t k : {1u, 10u, 40u}) {
            const Found found = find(flat, q(), {k, 1, 0, 1});
            CHECK(found == find(lists, q(), {k, 40, 0, 1}));
            CHECK(found == find(flat, q(), {k, 1, 0, 3}));
        }
    }
}

TEST("search: segments give what one segment gives, up to equal scores") {
    for (const Choice& choice : choices()) {
        Engine one(make_parts(choice, x())), several(make_parts(choice, x()));
        add(one, x());
        for (const auto& [first, count] : {std::pair<std::size_t, std::size_t>{0, 300}, {300, 1}, {301, n - 301}})
            add(several, x().block(first, count));
        const SearchParams params{8, 4, choice.rerank.empty() ? 0u : n, 2};
        const Found a = find(one, q(), params), b = find(several, q(), params);
        CHECK(a.scores == b.scores);
    }
}

TEST("search: fewer vectors than k pad with -1, an empty index finds nothing") {
    const Choice choice{Metric::l2, 0, "float32", false, ""};
    Engine engine(make_parts(choice, x()));
    CHECK(find(engine, q(), {3, 1, 0, 1}).ids == std::vector<std::int64_t>(3 * n_queries, -1));
    add(engine, x().block(0, 2));
    const Found found = find(engine, q(), {3, 1, 0, 1});
    for (std::size_t i = 0; i < n_queries; ++i) {
        CHECK_EQ(found.ids[3 * i + 2], -1);
        CHECK(std::isinf(found.scores[3 * i + 2]));
        CHECK(found.ids[3 * i] >= 0 && found.ids[3 * i + 1] >= 0);
    }
}

TEST("engine: save and open, mapped or read, give the same results; saving again the same bytes") {
    const std::string path = temporary("fewbits_test_search.fb"), again = temporary("fewbits_test_search_again.fb");
    for (Choice choice : choices()) {
        choice.on_disk = !choice.rerank.empty();
        Engine engine(make_parts(choice, x()));
        add(engine, x().block(0, 500));
        add(engine, x().block(500, n - 500));
        engine.set_default("default.nprobe", 3);
        test::save(engine, path, "{}");
        const SearchParams params{5, 3, choice.rerank.empty() ? 0u : 40u, 2};
        for (const bool mapped : {true, false}) {
            const auto opened = test::opened(path, mapped);
            CHECK(find(engine, q(), params) == find(*opened, q(), params));
            CHECK_EQ(opened->params().at("default.nprobe"), 3u);
            test::save(*opened, again, opened->meta());
            CHECK(contents(path) == contents(again));
        }
    }
    std::filesystem::remove(path);
    std::filesystem::remove(again);
}

TEST("engine: ids are found, reconstructed, and refused when given twice") {
    const Choice choice{Metric::ip, 7, "pq8", true, "float32"};
    Engine engine(make_parts(choice, x()));
    std::vector<std::int64_t> ids(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int64_t>(1000 + 3 * i);
    add(engine, x(), ids.data());
    std::vector<float> out(2 * d);
    const std::vector<std::int64_t> wanted{1000, 1000 + 3 * 776};
    engine.reconstruct(wanted, out.data());
    CHECK(std::equal(out.begin(), out.begin() + d, x().row(0)));
    CHECK(std::equal(out.begin() + d, out.end(), x().row(776)));
    const std::vector<std::int64_t> unknown{1001};
    CHECK_THROWS(engine.reconstruct(unknown, out.data()), "1001 is not in the index");
    CHECK_THROWS(add(engine, x().block(0, 1), ids.data()), "1000 is in the index already");
    const std::int64_t twice[] = {5, 5};
    CHECK_THROWS(add(engine, x().block(0, 2), twice), "5 is given twice");
    CHECK_EQ(engine.snapshot()->n(), n);
    add(engine, x().block(0, 1));  // default ids continue after the highest
    CHECK_EQ(engine.snapshot()->id(static_cast<std::uint32_t>(n)), 1000 + 3 * 776 + 1);
}

TEST("reconstruct: codes give back what the codec decodes, near the vector") {
    for (const char* codec : {"float32", "float16", "scalar8", "pq8"}) {
        Engine engine(make_parts({Metric::l2, 7, codec, std::string(codec) == "pq8", ""}, x()));
        add(engine, x());
        std::vector<std::int64_t> ids(n);
        for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int64_t>(i);
        std::vector<float> out(n * d);
        engine.reconstruct(ids, out.data());
        double error = 0, energy = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
            error += std::pow(out[i] - base()[i], 2);
            energy += std::pow(base()[i], 2);
        }
        CHECK(error < 0.05 * energy);
    }
}

TEST("search: scores of given vectors, by ids that the index has") {
    Engine engine(make_parts({Metric::ip, 0, "float32", false, ""}, x()));
    add(engine, x().block(0, 5));
    std::vector<float> scores(2 * 5);
    const auto scored = [&](std::vector<std::int64_t> ids, std::size_t rows) {
        score(engine.snapshot(), q().block(0, 2), {ids.data(), rows, ids.size() / rows}, 1, scores.data());
    };
    scored({0, 4, -1}, 1);
    CHECK(std::isfinite(scores[0]) && std::isfinite(scores[1]));
    CHECK_EQ(scores[2], -INFINITY);
    scored({0, 4}, 2);
    for (const std::int64_t unknown : {5, -2}) CHECK_THROWS(scored({0, unknown}, 1), "is not in the index");
    CHECK_THROWS(scored({0, 1, 2}, 3), "ids: got 3 rows, expected one per query, 2");
}

TEST("search: exact search of vectors of other dimensions, or of too many, is refused") {
    std::vector<std::int64_t> ids(1);
    std::vector<float> scores(1);
    const auto exact = [&](MatrixView of) {
        exact_search(of, q().block(0, 1), 1, Metric::ip, 0, 1, ids.data(), scores.data());
    };
    exact(x().block(0, 10));
    CHECK_THROWS(exact({x().data, 10, d - 1}), "queries: got");
    CHECK_THROWS(exact({x().data, 0xffffffff, d}), "at most 2^32 - 2");
}
