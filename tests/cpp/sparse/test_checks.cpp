// What is refused: rows that are not ascending terms with positive values, and files whose segments contradict.
#include <algorithm>

#include "check.h"
#include "golden.h"
#include "sparse/engine.h"

using namespace fewbits;

namespace {

std::unique_ptr<sparse::Engine> added(std::vector<std::int64_t> offsets, std::vector<std::uint32_t> terms,
                                      std::vector<float> values) {
    return sparse::Engine().added({offsets, terms, values}, {}, false);
}

Parts golden_parts() {
    for (const golden::File& file : golden::files())
        if (file.name.starts_with("sparse")) return read_bytes(golden::bytes_of(file));
    return {};
}

TEST("sparse: rows whose terms or values are out of order or range are refused by row") {
    CHECK_EQ(added({0, 2, 3}, {4, 9, 0}, {1, 2, 3})->snapshot().n, 2u);
    CHECK_EQ(added({0, 1}, {sparse::max_terms - 1}, {1})->snapshot().n, 1u);
    CHECK_EQ(added({0, 0, 1, 1}, {4}, {1})->snapshot().n, 3u);  // some without terms
    CHECK_EQ(added({0, 2}, {1, 2}, {1e-30f, 1e30f})->snapshot().n, 1u);
    CHECK_THROWS(added({0, 1}, {1}, {1.1e30f}), "1e-30 to 1e30");
    CHECK_THROWS(added({0, 2}, {9, 4}, {1, 2}), "ascending terms");
    CHECK_THROWS(added({0, 2}, {4, 4}, {1, 2}), "ascending terms");
    CHECK_THROWS(added({0, 1}, {sparse::max_terms}, {1}), "below 2^24");
    CHECK_THROWS(added({0, 1}, {4}, {0}), "1e-30 to 1e30");
    CHECK_THROWS(added({0, 2, 1}, {4, 5}, {1, 1}), "offsets");
    CHECK_THROWS(added({0, 2, 1, 2}, {4, 5}, {1, 1}), "ascending offsets");
    const sparse::Rows none(sparse::RowsBuilder().finish(), {});
    CHECK_THROWS(sparse::Segment(none, {5}), "ids: expected one per row");
    CHECK_THROWS(added({0, 2}, {4}, {1}), "as many values");
}

TEST("sparse: what belongs to no vector, no query or no filter is refused") {
    const std::vector<std::int64_t> offsets = {0, 1, 2, 3}, begins_late = {1, 3}, none, ids = {0, 1, 2}, two = {5, 6};
    const std::vector<std::uint32_t> terms = {3, 3, 4};
    const std::vector<float> values = {1, 2, 3};
    const auto engine = sparse::Engine().added({offsets, terms, values}, ids, false);
    const sparse::CsrView x{offsets, terms, values};
    CHECK_THROWS(engine->added({begins_late, terms, values}, {}, false), "offsets from 0");
    CHECK_THROWS(engine->added({none, {}, {}}, {}, false), "offsets from 0");
    CHECK_THROWS(engine->added(x, two, false), "ids: expected one per vector");
    CHECK_THROWS(engine->added(x, ids, false), "0 is in the index already");
    CHECK_EQ(engine->added(x, ids, true)->snapshot().n, 3u);
    const std::vector<std::int64_t> twice = {7, 8, 7};
    CHECK_THROWS(engine->added(x, twice, false), "7 is given twice");

    std::vector<std::int64_t> found(9);
    std::vector<float> scores(9);
    const auto scored = [&](std::vector<std::int64_t> of, std::size_t rows) {
        engine->score(x, {of.data(), rows, of.size() / rows}, 1, scores.data());
    };
    scored({0, 1, 2}, 1);
    CHECK(scores[0] > 0);
    scored({0, 1, 2}, 3);
    CHECK_THROWS(scored({0, 3}, 1), "3 is not in the index");
    CHECK_THROWS(scored({0, 1}, 2), "ids: got 2 rows");

    const auto odd = Filter::of_ids(std::vector<std::int64_t>{1}, true), labelled = Filter::of_labels(two);
    const auto searched = [&](const Filter& filter, std::vector<std::uint32_t> of_query) {
        const std::vector<const Filter*> filters{&filter};
        engine->search(x, {.k = 3, .threads = 1}, {filters, of_query}, found.data(), scores.data());
    };
    searched(*odd, {});
    searched(*odd, {0, 0, 0});
    CHECK_EQ(found[0], 1);
    CHECK_THROWS(searched(*odd, {0, 0}), "filters: got 2, expected one per query");
    CHECK_THROWS(searched(*odd, {0, 1, 0}), "the number of no filter");
    CHECK_THROWS(searched(*labelled, {}), "got labels");
}

TEST("sparse: ids are 0 to 2^62 - 1") {
    const auto with = [](std::int64_t id) {
        const std::vector<std::int64_t> offsets = {0, 1}, ids = {id};
        const std::vector<std::uint32_t> terms = {3};
        const std::vector<float> values = {1};
        return sparse::Engine().added({offsets, terms, values}, ids, false);
    };
    for (const std::int64_t id : {std::int64_t{0}, (std::int64_t{1} << 62) - 1})
        CHECK_EQ(with(id)->snapshot().row_of(id), 0);
    for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{1} << 62}) CHECK_THROWS(with(id), "0 to 2^62 - 1");
}

TEST("sparse: a file in which an id is there twice, or of another kind, is refused") {
    const Parts good = golden_parts();
    const auto index = sparse::Engine::of_parts(good);
    Parts bad = good;
    const auto ids = good.array<std::int64_t>("seg0.ids", good.count<std::int64_t>("seg0.ids"));
    auto twice = std::make_shared<std::vector<std::int64_t>>(ids.begin(), ids.end());
    twice->back() = twice->front();
    bad.arrays["seg0.ids"] = {DType::i64, std::as_bytes(std::span(*twice)), twice};
    CHECK_THROWS(sparse::Engine::of_parts(bad), "twice");
    bad = good;
    bad.arrays["seg1.ids"] = good.arrays.at("seg0.ids");
    for (const char* name : {"rows", "terms", "codes"})
        bad.arrays[std::string("seg1.") + name] = good.arrays.at(std::string("seg0.") + name);
    bad.params["segments"] = 2;
    CHECK_THROWS(sparse::Engine::of_parts(bad), "twice");
    bad = good;
    const auto codes = good.array<std::uint8_t>("seg0.codes", good.count<std::uint8_t>("seg0.codes"));
    auto with_zero = std::make_shared<std::vector<std::uint8_t>>(codes.begin(), codes.end());
    with_zero->back() = 0;
    bad.arrays["seg0.codes"] = {DType::u8, std::as_bytes(std::span(*with_zero)), with_zero};
    CHECK_THROWS(sparse::Engine::of_parts(bad), "codes above 0");
    bad = good;
    const auto terms = good.array<std::uint16_t>("seg0.terms", good.count<std::uint16_t>("seg0.terms"));
    const auto scales = good.array<float>("scales", good.count<float>("scales"));
    auto fewer =
        std::make_shared<std::vector<float>>(scales.begin(), scales.begin() + *std::ranges::max_element(terms));
    bad.arrays["scales"] = {DType::f32, std::as_bytes(std::span(*fewer)), fewer};
    CHECK_THROWS(sparse::Engine::of_parts(bad), "that have a scale");
    const auto with = [&good](const char* name, auto values) {
        Parts changed = good;
        const auto kept = std::make_shared<decltype(values)>(std::move(values));
        using Value = typename decltype(values)::value_type;
        changed.arrays[name] = {dtype_of<Value>::value, std::as_bytes(std::span<const Value>(*kept)), kept};
        return sparse::Engine::of_parts(changed)->snapshot().n;
    };
    const auto n_rows = static_cast<std::uint32_t>(ids.size());
    CHECK_EQ(with("seg0.removed", std::vector<std::uint32_t>{n_rows - 1}), n_rows - 1);
    CHECK_THROWS(with("seg0.removed", std::vector<std::uint32_t>{n_rows}), "rows of the segment");
    const auto offsets = good.array<std::uint64_t>("seg0.rows", n_rows + 1);
    std::vector<std::uint64_t> moved(offsets.begin(), offsets.end());
    moved[1] = offsets.back() + 1;
    CHECK_THROWS(with("seg0.rows", moved), "ascending offsets");
    moved[1] = offsets[1];
    moved[2] = offsets[1] - 1;
    CHECK_THROWS(with("seg0.rows", moved), "ascending offsets");
    moved[0] = 1;
    CHECK_THROWS(with("seg0.rows", moved), "offsets from 0 on");
    CHECK_THROWS(with("seg0.rows", std::vector<std::uint64_t>{}), "offsets from 0 on");
    std::vector<std::uint16_t> descending(terms.begin(), terms.end());
    const auto longest = std::ranges::adjacent_find(offsets, [](auto x, auto y) { return y - x > 1; });
    REQUIRE(longest != offsets.end());
    std::swap(descending[*longest], descending[*longest + 1]);
    CHECK_THROWS(with("seg0.terms", descending), "ascending terms");
    bad = good;
    bad.params["sparse.kind"] = 2;
    CHECK_THROWS(sparse::Engine::of_parts(bad), "sparse.kind");
}

}  // namespace
