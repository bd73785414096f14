// Scoring changed by training: a scoring codebook and a query map on a full index, whose codes and segments stay.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <unistd.h>

#include "check.h"
#include "index/models.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::uint32_t d = 9;
constexpr std::size_t n = 300, n_queries = 5, k = 20;

const std::vector<float>& values(std::uint64_t seed, std::size_t rows) {
    static std::map<std::uint64_t, std::vector<float>> made;
    return made.try_emplace(seed, random_floats(rows * d, seed)).first->second;
}
MatrixView x() {
    return {values(1, n).data(), n, d};
}
MatrixView q() {
    return {values(2, n_queries).data(), n_queries, d};
}

std::vector<float> codebook(const Engine& engine) {
    const Array& array = engine.model().parts.arrays.at("codec.codebook");
    const auto* first = reinterpret_cast<const float*>(array.bytes.data());
    return {first, first + array.bytes.size() / sizeof(float)};
}

Parts full_map(std::vector<float> matrix) {
    Parts parts;
    parts.params["query.kind"] = 1;
    parts.arrays["query.matrix"] = array_of(std::move(matrix));
    return parts;
}

Parts low_rank_map(std::uint32_t rank, float scale) {
    Parts parts;
    parts.params["query.kind"] = 2;
    parts.params["query.rank"] = rank;
    std::vector<float> up = random_floats(d * rank, 5);
    for (float& value : up) value *= scale;
    parts.arrays["query.down"] = array_of(random_floats(rank * d, 4));
    parts.arrays["query.up"] = array_of(std::move(up));
    return parts;
}

Choice choice(const char* codec, std::uint32_t nlist, Metric metric = Metric::ip, const char* rerank = "") {
    return {metric, nlist, codec, nlist > 0, rerank};
}

}  // namespace

TEST("scoring: a moved codebook moves scores and reconstruction, and no code") {
    for (const char* codec : {"pq4", "pq8"})
        for (const std::uint32_t nlist : {0u, 7u}) {
            Engine engine(make_parts(choice(codec, nlist), x()));
            add(engine, x());
            const Found before = find(engine, q(), {k, 100, 0, 1});
            Parts trained;
            std::vector<float> moved = codebook(engine);
            for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += 0.3f * std::sin(static_cast<float>(i));
            trained.arrays["codec.scoring"] = array_of(moved);
            const auto scored = engine.with_scoring(trained);
            CHECK(find(engine, q(), {k, 100, 0, 1}) == before);
            const Found after = find(*scored, q(), {k, 100, 0, 1});
            CHECK(!(after == before));
            for (std::size_t i = 0; i < n_queries; ++i) {
                std::vector<float> vector(d);
                scored->reconstruct({after.ids.data() + i * k, 1}, vector.data());
                float score = 0;
                for (std::uint32_t j = 0; j < d; ++j) score += q().row(i)[j] * vector[j];
                CHECK(std::abs(score - after.scores[i * k]) < 0.02f * (1 + std::abs(score)));
            }
            std::vector<std::int64_t> ids(n), same_ids(n);
            std::vector<std::uint32_t> lists(n), same_lists(n);
            const std::size_t row_bytes = engine.model().codec->layout().row_bytes();
            std::vector<std::uint8_t> codes(n * row_bytes), same_codes(n * row_bytes);
            engine.snapshot()->codes(ids.data(), lists.data(), codes.data());
            Engine again(scored->model().parts);
            add(again, x());  // encoded as before training
            again.snapshot()->codes(same_ids.data(), same_lists.data(), same_codes.data());
            CHECK(codes == same_codes);
            CHECK(lists == same_lists);
            CHECK(ids == same_ids);
            CHECK(find(*engine.with_scoring({}), q(), {k, 100, 0, 1}) == before);
        }
}

TEST("scoring: a query map is as mapping the queries before, in lists, codec and rerank") {
    for (const char* rerank : {"", "float32"})
        for (const std::uint32_t nlist : {0u, 7u})
            for (const Parts& trained : {full_map(random_floats(d * d, 3)), low_rank_map(3, 0.5f)}) {
                Engine engine(make_parts(choice("scalar8", nlist, Metric::ip, rerank), x()));
                add(engine, x());
                const auto scored = engine.with_scoring(trained);
                std::vector<float> mapped(q().size());
                scored->model().query_map->apply(q(), mapped.data());
                const SearchParams params{k, 2, rerank[0] ? 40u : 0u, 2};
                const Found found = find(*scored, q(), params);
                CHECK(found == find(engine, {mapped.data(), n_queries, d}, params));
                for (std::size_t i = 0; i < n_queries; ++i) {
                    const Found alone = find(*scored, q().block(i, 1), params);
                    CHECK(std::equal(alone.scores.begin(), alone.scores.end(),
                                     found.scores.begin() + static_cast<std::ptrdiff_t>(i * k)));
                }
            }
}

TEST("scoring: maps that start as the identity change no bit") {
    Engine engine(make_parts(choice("pq4", 0, Metric::cosine), x()));
    add(engine, x());
    std::vector<float> identity(d * d, 0.0f);
    for (std::uint32_t i = 0; i < d; ++i) identity[i * d + i] = 1;
    const Found before = find(engine, q(), {k, 1, 0, 1});
    CHECK(find(*engine.with_scoring(full_map(identity)), q(), {k, 1, 0, 1}) == before);
    CHECK(find(*engine.with_scoring(low_rank_map(2, 0)), q(), {k, 1, 0, 1}) == before);
}

TEST("scoring: is saved and opened with the index") {
    Engine engine(make_parts(choice("pq8", 7), x()));
    add(engine, x());
    Parts trained = low_rank_map(4, 0.1f);
    std::vector<float> moved = codebook(engine);
    for (float& value : moved) value *= 1.5f;
    trained.arrays["codec.scoring"] = array_of(moved);
    const auto scored = engine.with_scoring(trained);
    const std::string path =
        (std::filesystem::temp_directory_path() / (std::to_string(::getpid()) + "fewbits-test-scoring.fb")).string();
    test::save(*scored, path, "{}");
    CHECK(find(*test::opened(path, true), q(), {k, 3, 0, 1}) == find(*scored, q(), {k, 3, 0, 1}));
    std::remove(path.c_str());
}

TEST("scoring: what does not fit is refused") {
    Engine pq(make_parts(choice("pq8", 0), x()));
    Parts other;
    other.params["codec.m"] = 3;
    CHECK_THROWS(pq.with_scoring(other), "got 'codec.m'");
    Parts short_book;
    short_book.arrays["codec.scoring"] = array_of(std::vector<float>(5));
    CHECK_THROWS(pq.with_scoring(short_book), "codec.scoring");
    CHECK_THROWS(pq.with_scoring(full_map(std::vector<float>(d))), "query.matrix");
    Parts unknown = full_map(std::vector<float>(d * d));
    unknown.params["query.kind"] = 3;
    CHECK_THROWS(pq.with_scoring(unknown), "query.kind");
    Parts book;
    book.arrays["codec.scoring"] = array_of(codebook(pq));
    Engine scalar(make_parts(choice("scalar8", 0), x()));
    CHECK_THROWS(scalar.with_scoring(book), "no codebook");
    Engine residual(make_parts(choice("pq8", 7, Metric::l2), x()));
    CHECK_THROWS(residual.with_scoring(book), "norms");
}
