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
    CHECK_EQ(added({0, 2}, {1, 2}, {1e-30f, 1e30f})->snapshot().n, 1u);
    CHECK_THROWS(added({0, 1}, {1}, {1.1e30f}), "1e-30 to 1e30");
    CHECK_THROWS(added({0, 2}, {9, 4}, {1, 2}), "ascending terms");
    CHECK_THROWS(added({0, 2}, {4, 4}, {1, 2}), "ascending terms");
    CHECK_THROWS(added({0, 1}, {sparse::max_terms}, {1}), "below 2^24");
    CHECK_THROWS(added({0, 1}, {4}, {0}), "1e-30 to 1e30");
    CHECK_THROWS(added({0, 2, 1}, {4, 5}, {1, 1}), "offsets");
    CHECK_THROWS(added({0, 2}, {4}, {1}), "as many values");
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
    bad = good;
    bad.params["sparse.kind"] = 2;
    CHECK_THROWS(sparse::Engine::of_parts(bad), "sparse.kind");
}

}  // namespace
