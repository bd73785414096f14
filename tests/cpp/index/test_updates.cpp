// Removing, replacing, merging and joining: after each of them an index equals an index built from the same vectors,
// code by code, and every error leaves the index unchanged.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <unistd.h>

#include "base/bitmap.h"
#include "check.h"
#include "index/merge.h"
#include "index/models.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::uint32_t d = 9;
constexpr std::size_t n = 640;

MatrixView x() {
    static const std::vector<float> floats = random_floats(n * d, 3);
    return {floats.data(), n, d};
}
MatrixView q() {
    static const std::vector<float> floats = random_floats(11 * d, 4);
    return {floats.data(), 11, d};
}

const std::vector<Choice>& choices() {
    static const std::vector<Choice> all = {
        {Metric::l2, 7, "pq4", true, "scalar8"},       {Metric::ip, 7, "pq8", true, ""},
        {Metric::cosine, 0, "staged", false, ""},      {Metric::l2, 5, "staged", false, "float32"},
        {Metric::l2, 3, "scalar4", false, "pq8"},      {Metric::ip, 0, "float16", false, ""},
        {Metric::l2, 7, "pq4", true, "scalar8", true},
    };
    return all;
}

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(end - begin));
    std::iota(ids.begin(), ids.end(), begin);
    return ids;
}

// Results as sets, as rows depend on the history, and with them the order of equal scores.
std::vector<std::multimap<float, std::int64_t>> by_score(const Engine& engine) {
    const std::size_t k = n + 5;
    const Found found = find(engine, q(), {.k = k, .nprobe = 100, .rerank = engine.model().rerank ? k : 0});
    std::vector<std::multimap<float, std::int64_t>> all(q().rows);
    for (std::size_t i = 0; i < found.ids.size(); ++i)
        if (found.ids[i] >= 0) all[i / k].emplace(found.scores[i], found.ids[i]);
    for (auto& hits : all) {  // among equal scores, the smaller id first
        std::vector<std::pair<float, std::int64_t>> pairs(hits.begin(), hits.end());
        std::sort(pairs.begin(), pairs.end());
        hits = {pairs.begin(), pairs.end()};
    }
    return all;
}

std::vector<float> reconstructed(const Engine& engine, const std::vector<std::int64_t>& ids) {
    std::vector<float> out(ids.size() * d);
    engine.reconstruct(ids, out.data());
    return out;
}

}  // namespace

TEST("bitmap: append, count and for_each at every alignment, against plain bools") {
    for (const std::size_t offset : {0u, 1u, 7u, 63u, 64u, 65u, 200u}) {
        Bitmap from(offset, true);
        std::vector<bool> plain(offset, true);
        for (std::size_t i = 0; i < 300; ++i) {
            from.append(1, i % 3 == 0);
            plain.push_back(i % 3 == 0);
        }
        Bitmap to(offset / 2, false);
        to.append(from, offset, from.size());
        CHECK_EQ(to.size(), offset / 2 + 300);
        for (std::size_t i = 0; i < 300; ++i) CHECK(to.test(offset / 2 + i) == plain[offset + i]);
        for (std::size_t begin = 0; begin < from.size(); begin += 37)
            for (std::size_t end = begin; end <= from.size(); end += 41) {
                std::size_t seen = 0;
                from.for_each(begin, end, [&](std::size_t i) { seen += plain[i]; });
                const auto first = plain.begin() + static_cast<std::ptrdiff_t>(begin);
                const auto last = plain.begin() + static_cast<std::ptrdiff_t>(end);
                CHECK_EQ(from.count(begin, end), static_cast<std::size_t>(std::count(first, last, true)));
                CHECK_EQ(seen, from.count(begin, end));
            }
    }
}

TEST("updates: removed vectors are gone at once, and after compact nothing tells that they were there") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x())), fresh(make_parts(choice, x()));
        add(engine, x().block(0, 300));
        add(engine, x().block(300, n - 300));
        CHECK_EQ(engine.remove(range(100, 400)), 300u);
        CHECK_EQ(engine.remove(range(350, 450)), 50u);
        CHECK_EQ(engine.remove(std::vector<std::int64_t>{-1, 100, 5000}), 0u);
        CHECK_EQ(engine.snapshot()->n(), n - 350);
        add(fresh, x().block(0, 100));
        const auto late = range(450, n);
        add(fresh, x().block(450, n - 450), late.data());
        const auto expected = by_score(fresh);
        CHECK(by_score(engine) == expected);
        const auto before = reconstructed(engine, late);
        engine.compact(2);
        CHECK(by_score(engine) == expected);
        CHECK(reconstructed(engine, late) == before);
        CHECK_EQ(engine.snapshot()->segments.size(), 1u);
        CHECK_EQ(engine.snapshot()->rows(), n - 350);
        CHECK_THROWS(reconstructed(engine, {100}), "100 is not in the index");
    }
}

TEST("updates: compact of segments is the segment that one build makes, byte for byte") {
    for (const Choice& choice : choices()) {
        Engine parts(make_parts(choice, x())), one(make_parts(choice, x()));
        for (std::size_t first = 0; first < n; first += 64) add(parts, x().block(first, 64));
        parts.compact(3);
        add(one, x());
        const Parts &a = parts.snapshot()->segments[0]->parts(), &b = one.snapshot()->segments[0]->parts();
        CHECK_EQ(a.arrays.size(), b.arrays.size());
        for (const auto& [name, array] : a.arrays) CHECK(std::ranges::equal(array.bytes, b.arrays.at(name).bytes));
    }
}

TEST("updates: many small adds leave few segments, and their ids") {
    for (const Choice& choice : choices()) {
        if (choice.on_disk) continue;
        Engine engine(make_parts(choice, x())), one(make_parts(choice, x()));
        for (std::size_t i = 0; i < 300; ++i) {
            add(engine, x().block(i, 1));
            CHECK(engine.snapshot()->segments.size() <= 10);
        }
        add(one, x().block(0, 300));
        CHECK(by_score(engine) == by_score(one));
        CHECK(reconstructed(engine, range(0, 300)) == reconstructed(one, range(0, 300)));
        CHECK_EQ(engine.snapshot()->next_id, 300);
        for (const auto& segment : engine.snapshot()->segments) CHECK(!segment->custom_ids());
    }
}

TEST("updates: ids are never given twice, though the largest is removed") {
    Engine engine(make_parts(choices()[0], x()));
    add(engine, x().block(0, 10));
    CHECK_EQ(engine.remove(range(5, 10)), 5u);
    engine.compact();
    add(engine, x().block(0, 1));
    CHECK_EQ(engine.snapshot()->row_of(10) >= 0, true);
    CHECK_EQ(engine.remove(range(0, 11)), 6u);
    CHECK_EQ(engine.snapshot()->segments.size(), 0u);
    engine.compact();
    add(engine, x().block(0, 1));
    CHECK(engine.snapshot()->row_of(11) >= 0);
}

TEST("updates: replace takes the old vector's place, error leaves everything") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x())), fresh(make_parts(choice, x()));
        add(engine, x().block(0, 200));
        const auto ids = range(150, 250);
        CHECK_THROWS(add(engine, x().block(300, 100), ids.data()), "is in the index already");
        CHECK_EQ(engine.snapshot()->n(), 200u);
        const auto builder = engine.builder(0, "");
        builder->append(x().block(300, 100), ids.data(), 1);
        engine.publish(*builder, OnConflict::replace);
        CHECK_EQ(engine.snapshot()->n(), 250u);
        add(fresh, x().block(0, 150));
        add(fresh, x().block(300, 100));
        CHECK(by_score(engine) == by_score(fresh));
        CHECK_EQ(engine.snapshot()->next_id, 250);
    }
}

TEST("updates: removals are saved, and opened again") {
    const std::string path =
        (std::filesystem::temp_directory_path() / (std::to_string(::getpid()) + "fewbits_test_updates.fb")).string();
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x()));
        add(engine, x().block(0, 301));
        add(engine, x().block(301, n - 301));
        engine.remove(range(290, 310));
        engine.remove(range(n - 3, n));
        test::save(engine, path, "{}");
        for (const bool mapped : {true, false}) {
            const auto opened = test::opened(path, mapped);
            CHECK(by_score(*opened) == by_score(engine));
            CHECK_EQ(opened->snapshot()->next_id, static_cast<std::int64_t>(n));
            CHECK_EQ(opened->remove(range(280, 320)), 20u);
            opened->compact();
            CHECK_EQ(opened->snapshot()->n(), n - 43);
            CHECK_EQ(opened->snapshot()->rows(), n - 43);
        }
    }
    std::filesystem::remove(path);
}

TEST("updates: engines of the same training join, others are refused") {
    for (const Choice& choice : choices()) {
        const Parts parts = make_parts(choice, x());
        Engine one(parts), other(parts), both(parts);
        one.set_default("default.nprobe", 3);
        const auto late = range(300, n);
        add(one, x().block(0, 300));
        add(other, x().block(300, n - 300), late.data());
        add(both, x());
        one.remove(range(10, 20));
        other.remove(range(400, 500));
        both.remove(range(10, 20));
        both.remove(range(400, 500));
        const std::vector<const Engine*> engines{&one, &other};
        const auto joined = Engine::join(engines, OnConflict::error);
        CHECK(by_score(*joined) == by_score(both));
        CHECK_EQ(joined->params().at("default.nprobe"), 3u);
        joined->compact();
        CHECK(by_score(*joined) == by_score(both));
        const std::vector<const Engine*> twice{&one, &other, &one};
        CHECK_THROWS(Engine::join(twice, OnConflict::error), "is in the index already");
        CHECK(by_score(*Engine::join(twice, OnConflict::replace)) == by_score(both));
    }
    Engine one(make_parts(choices()[0], x())), other(make_parts(choices()[1], x()));
    const std::vector<const Engine*> engines{&one, &other};
    CHECK_THROWS(Engine::join(engines, OnConflict::error), "index 1 has another training");
    const std::vector<const Engine*> third{&one, &one, &other};
    CHECK_THROWS(Engine::join(third, OnConflict::error), "index 2 has another training");
}

TEST("updates: many engines join, and few or many of their vectors are taken") {
    const Parts parts = make_parts(choices()[0], x());
    Engine both(parts);
    add(both, x());
    std::vector<std::unique_ptr<Engine>> owned;
    std::vector<const Engine*> engines;
    for (std::size_t first = 0; first < n; first += 60) {
        const auto ids = range(static_cast<std::int64_t>(first), static_cast<std::int64_t>(std::min(n, first + 60)));
        owned.push_back(std::make_unique<Engine>(parts));
        add(*owned.back(), x().block(first, ids.size()), ids.data());
        engines.push_back(owned.back().get());
    }
    owned[1]->remove(range(70, 80));
    both.remove(range(70, 80));
    const auto joined = Engine::join(engines, OnConflict::error);
    CHECK(by_score(*joined) == by_score(both));
    for (const auto& [first, end] : {std::pair<int, int>{5, 9}, {0, 70}, {80, static_cast<int>(n)}}) {
        const auto ids = range(first, end);
        CHECK(joined->take(ids)->to_bytes("") == both.take(ids)->to_bytes(""));
    }
    CHECK_THROWS(joined->take(range(60, 75)), "70 is not in the index");
    CHECK_THROWS(joined->take(range(0, static_cast<int>(n))), "70 is not in the index");
    // A removed vector may be in another engine.
    const auto again = range(70, 75);
    add(*owned[0], x().block(70, 5), again.data());
    add(both, x().block(70, 5), again.data());
    CHECK(by_score(*Engine::join(engines, OnConflict::error)) == by_score(both));
}

TEST("updates: a snapshot that is held stays as it was") {
    Engine engine(make_parts(choices()[0], x()));
    add(engine, x().block(0, 100));
    const auto held = engine.snapshot();
    engine.remove(range(0, 50));
    engine.compact();
    add(engine, x().block(100, 100));
    CHECK_EQ(held->n(), 100u);
    for (std::int64_t id = 0; id < 100; ++id) CHECK(held->row_of(id) >= 0);
}

TEST("updates: add, compact and merge stopped at any report of their progress leave the index as it was") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x())), other(make_parts(choice, x()));
        const auto late = range(300, n);
        for (std::size_t first = 0; first < 300; first += 100) add(engine, x().block(first, 100));
        engine.remove(range(10, 50));
        add(other, x().block(300, n - 300), late.data());
        const auto expected = by_score(engine);
        const std::vector<const Engine*> engines{&engine, &other};
        const std::function<void(const Progress&)> works[] = {
            [&](const Progress& progress) { engine.compact(2, progress); },
            [&](const Progress& progress) { (void)Engine::join(engines, OnConflict::error, progress); },
            [&](const Progress& progress) {
                const auto builder = engine.builder(0, "");
                builder->append(x().block(300, n - 300), nullptr, 1);
                engine.publish(*builder, OnConflict::error, 2, progress);
            }};
        for (const auto& work : works) {
            for (int reports = 0;; ++reports) {
                int left = reports;
                bool stopped = false;
                try {
                    work([&](double fraction) {
                        CHECK(fraction >= 0 && fraction <= 1);
                        if (left-- == 0) throw std::runtime_error("stopped");
                    });
                } catch (const std::runtime_error&) {
                    stopped = true;
                }
                if (!stopped) {
                    CHECK(reports > 0);
                    break;
                }
                CHECK_EQ(engine.snapshot()->n(), 260u);
                CHECK(by_score(engine) == expected);
            }
        }
        CHECK_EQ(engine.snapshot()->n(), n - 40);
    }
}

TEST("updates: own ids in any order, more than are sorted at once") {
    constexpr std::size_t many = 300'007;  // a prime, so that all ids are different
    const std::vector<float> floats(many * 2, 0.5f);
    Engine engine(make_parts({Metric::l2, 0, "scalar8", false, ""}, {floats.data(), 100, 2}));
    std::vector<std::int64_t> ids(many);
    for (std::size_t i = 0; i < many; ++i) ids[i] = static_cast<std::int64_t>(i * 7919 % many);
    add(engine, {floats.data(), many, 2}, ids.data(), many);
    const auto snapshot = engine.snapshot();
    for (std::size_t i = 0; i < many; i += 1 + i % 97) CHECK_EQ(snapshot->row_of(ids[i]), static_cast<std::int64_t>(i));
    Engine other(snapshot->model);
    const std::int64_t next = many;
    add(other, {floats.data(), 1, 2}, &next);
    const auto opened = Engine::from_bytes(engine.to_bytes(""));  // which sorts ids on first use
    for (int allowed = 0; allowed < 3; ++allowed) {
        int left = allowed;
        CHECK_THROWS(Engine::join(std::vector<const Engine*>{opened.get(), &other}, OnConflict::error,
                                  [&](double) { left-- > 0 ? void() : fail("stopped"); }),
                     "stopped");
    }
    ids[many - 1] = ids[0];
    const auto builder = other.builder(many, "");
    builder->append({floats.data(), many, 2}, ids.data(), 2);
    CHECK_THROWS(other.publish(*builder), "is given twice");
}

TEST("updates: take keeps the vectors of these ids, that of the first row as well, and refuses others") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x()));
        add(engine, x());
        const std::vector<std::int64_t> first = {0, 1, 639}, missing = {3, 640};
        const auto taken = engine.take(first, "", 1);
        CHECK(reconstructed(*taken, first) == reconstructed(engine, first));
        CHECK_EQ(taken->snapshot()->rows(), 3u);
        CHECK_THROWS(engine.take(missing, "", 1), "640 is not in the index");
    }
}

TEST("updates: what an index refuses, at the bound and beyond it") {
    const Choice choice{Metric::l2, 7, "pq4", true, ""};
    Engine engine(make_parts(choice, x()));
    engine.set_default("default.nprobe", 0xffffffff);
    CHECK_THROWS(engine.set_default("default.nprobe", std::uint64_t{1} << 32), "default.nprobe: got 4294967296");
    CHECK_THROWS(engine.set_default("default.margin", 1), "default: got 'default.margin'");
    for (const std::int64_t id : {std::int64_t{0}, (std::int64_t{1} << 62) - 1}) {
        add(engine, x().block(0, 1), &id);
        CHECK(engine.snapshot()->row_of(id) >= 0);
    }
    for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{1} << 62})
        CHECK_THROWS(add(engine, x().block(0, 1), &id), "expected whole numbers in 0..2^62 - 1");
    CHECK_THROWS(add(engine, x().block(0, 1)), "no larger default ids are left");
    Engine last(make_parts(choice, x()));
    const std::int64_t id = (std::int64_t{1} << 62) - 0x100000000;
    add(last, x().block(0, 1), &id);
    add(last, x().block(1, 1));  // the last default id for which 2^32 - 1 vectors would still have ids
    CHECK(last.snapshot()->row_of(id + 1) >= 0);
    CHECK_THROWS(add(last, x().block(2, 1)), "no larger default ids are left");

    const std::vector<float> wide(2 * (d + 1), 1.0f);
    CHECK_THROWS(add(engine, {wide.data(), 2, d + 1}), "x: got 10 dimensions, expected 9");
    const auto builder = engine.builder(10, "");
    const auto ids = range(0, 5);
    builder->append(x().block(0, 5), ids.data(), 1);
    CHECK_THROWS(builder->append(x().block(5, 5), nullptr, 1), "ids: expected for all blocks or none");
    CHECK_THROWS(engine.builder(0, "")->append({x().data, 0xffffffff, d}, nullptr, 1), "at most 2^32 - 2");
    CHECK_THROWS(Engine::join({}, OnConflict::error), "at least one index");
}

TEST("updates: a removed row is one of the segment") {
    Engine engine(make_parts(choices()[1], x()));
    add(engine, x().block(0, 13));
    engine.remove(range(3, 5));
    Parts parts = engine.as_parts("");
    CHECK_EQ(Engine(parts).model().dim, d);
    for (const int row : {12, 13}) {
        parts.arrays["seg0.removed"] =
            array_of(std::vector<std::uint8_t>{0, static_cast<std::uint8_t>(1 << (row - 8))});
        const auto opened = [&] { return Engine::from_bytes(write_bytes(parts))->snapshot()->n(); };
        if (row == 12) CHECK_EQ(opened(), 12u);
        if (row == 13) CHECK_THROWS(opened(), "a bit is set past the last row");
    }
}

TEST("updates: codes are appended as they are, if all that belongs to them is there") {
    const auto appended = [](const Choice& choice, std::size_t n_rows, std::size_t bytes,
                             std::vector<std::uint32_t> lists, std::size_t n_b, float factor = 1) {
        Parts parts = make_parts(choice, x());
        if (choice.codec == "staged") parts.params["codec.staged"] = 2;  // with a factor of the first stage
        if (choice.codec == "pq4") parts.arrays["partition.spill"] = array_of(std::vector<float>{1, 1});
        Engine engine(parts);
        const std::vector<std::uint8_t> codes(bytes);
        const std::vector<float> b(n_b, factor);
        const auto builder = engine.builder(n_rows, "");
        CodedRows coded;
        coded.n = n_rows;
        coded.rows = codes;
        coded.lists = lists;
        coded.b = b;
        builder->append(coded, nullptr);
        engine.publish(*builder);
        return engine.snapshot()->n();
    };
    const Choice lists{Metric::l2, 7, "pq8", true, ""}, flat{Metric::ip, 0, "pq8", false, ""};
    CHECK_EQ(appended(lists, 2, 10, {0, 6}, 2), 2u);
    CHECK_EQ(appended(flat, 2, 10, {}, 0), 2u);
    CHECK_THROWS(appended(lists, 2, 9, {0, 6}, 2), "bytes of codes: got 9, expected 10");
    CHECK_THROWS(appended(lists, 2, 10, {0}, 2), "lists: got 1, expected 2");
    CHECK_THROWS(appended(flat, 2, 10, {0}, 0), "lists: got 1, expected 2");
    CHECK_THROWS(appended(lists, 2, 10, {0, 7}, 2), "lists: got 7, expected numbers below 7");
    CHECK_THROWS(appended(lists, 2, 10, {0, 6}, 1), "factors b: got 1, expected 2");
    CHECK_THROWS(appended(lists, 2, 10, {0, 6}, 2, NAN), "not finite");
    CHECK_THROWS(appended({Metric::l2, 7, "pq8", true, "float32"}, 2, 10, {0, 6}, 2), "rerank store");
    CHECK_THROWS(appended({Metric::l2, 0, "staged", false, ""}, 2, 10, {}, 2), "staged codes");
    CHECK_THROWS(appended({Metric::ip, 7, "pq4", true, ""}, 2, 6, {0, 6}, 2), "second lists");
}

TEST("updates: parts of a model that contradict each other are refused") {
    const auto refused = [](const Choice& choice, auto damage, const char* text) {
        Parts parts = make_parts(choice, x());
        CHECK(Model::make(parts) != nullptr);
        damage(parts);
        CHECK_THROWS(Model::make(parts), text);
    };
    const Choice lists{Metric::l2, 7, "pq4", true, ""}, flat{Metric::ip, 0, "pq4", false, ""};
    refused(
        flat, [](Parts& parts) { parts.arrays["center"] = array_of(std::vector<float>(d)); }, "only under metric l2");
    refused(flat, [](Parts& parts) { parts.params["partition.residual"] = 1; }, "got 1 without centroids");
    refused(flat, [](Parts& parts) { parts.params["partition.relative"] = 1; }, "expected 0 unless");
    refused(
        {Metric::ip, 7, "pq4", true, ""}, [](Parts& parts) { parts.params["partition.relative"] = 1; },
        "expected 0 unless");
    refused(
        lists, [](Parts& parts) { parts.arrays["codec.direction"] = array_of(std::vector<float>(d, 1.0f / 3)); },
        "got one under metric l2");
}
