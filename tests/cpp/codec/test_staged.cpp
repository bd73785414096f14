// Staged codes are the same codes in another layout: they have the same decoded vectors and final scores, and the first
// stage is optimistic enough to lose almost nothing.
#include <algorithm>

#include "codec_fixture.h"

namespace {

using namespace fixture;

constexpr std::size_t n = 333;

struct Pair {
    Pair(std::uint32_t dim, Metric metric, bool residual, std::uint32_t staging)
        : plain_codec(make_codec(scalar_parts(4, dim), "codec", dim, metric, residual)),
          staged_codec(make_codec(scalar_parts(4, dim, staging), "codec", dim, metric, residual)),
          plain(*plain_codec, normal(n * dim, 11), residual ? normal(n * dim, 12) : std::vector<float>{}),
          staged(*staged_codec, plain.x, plain.origin) {
        const std::size_t rest = staged.layout.rest_bytes;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint8_t* from =
                staged.rows.data() + i * staged.layout.row_bytes() + staged.layout.block_part_bytes();
            rests.insert(rests.end(), from, from + rest);
        }
    }
    // The hits after refinement, and those with scores above the promised ones.
    std::vector<kernels::Hit> refined(const float* query, float threshold,
                                      std::vector<kernels::Hit>* exceeding = nullptr) const {
        std::vector<std::uint8_t> table(staged_codec->table_bytes()), rows(staged_codec->row_query_bytes());
        const QueryTerms terms = staged_codec->prepare(query, table.data());
        staged_codec->prepare_rows(query, rows.data());
        std::vector<kernels::Hit> hits(n + 1);
        hits[0] = {7, 123.0f};  // an earlier hit, which refinement must not change
        kernels::ScanQuery scanned{table.data(), terms.scale, terms.offset, terms.constant, threshold,
                                   hits.data(),  1,           terms.b_scale};
        const kernels::Scan scan = staged.scan(scanned);
        staged_codec->scan_kernel()(scan);
        const RowCodes rest{rests.data(), staged.layout.rest_bytes, staged.a.data(), nullptr};
        staged_codec->refine(scan, rest, rows.data(), scanned, 1, exceeding);
        CHECK(hits[0].row == 7 && hits[0].score == 123.0f);
        hits.resize(scanned.count);
        hits.erase(hits.begin());
        return hits;
    }
    std::shared_ptr<const Codec> plain_codec, staged_codec;
    Coded plain, staged;
    std::vector<std::uint8_t> rests;
};

constexpr std::uint32_t stagings[] = {1, 2};  // the factor of the first stage: that of the whole code, or its own

template <class Body>
void each_pair(std::initializer_list<std::uint32_t> dims, const Body& body) {
    for (const std::uint32_t dim : dims)
        for (const Metric metric : {Metric::l2, Metric::ip})
            for (const bool residual : {false, true})
                for (const std::uint32_t staging : stagings) body(Pair(dim, metric, residual, staging), dim);
}

// With their own factor, staged codes score like a scan of whole codes; others use finer queries.
std::vector<float> expected_scores(const Pair& pair, const float* query) {
    if (!pair.staged.layout.has_stage) return pair.plain.by_rows(query);
    std::vector<float> scores;
    for (const kernels::Hit& hit : pair.plain.by_scan(query, -INFINITY)) scores.push_back(hit.score);
    return scores;
}

TEST("staged: decodes and scores as the codes that are not, bit for bit") {
    each_pair({1u, 3u, 5u, 7u, 8u, 13u, 100u}, [](const Pair& pair, std::uint32_t dim) {
        CHECK(pair.plain.decoded == pair.staged.decoded);
        CHECK(pair.plain.a == pair.staged.a);
        CHECK(pair.plain.b == pair.staged.b);
        const std::vector<float> query = normal(dim, 13);
        const std::vector<float> expected = expected_scores(pair, query.data());
        CHECK(pair.staged.by_rows(query.data()) == expected);
        const auto hits = pair.refined(query.data(), -INFINITY);  // no exceeding hits requested: scores are final
        REQUIRE(hits.size() == n);
        for (std::size_t i = 0; i < n; ++i) CHECK(hits[i].row == i && hits[i].score == expected[i]);
    });
}

TEST("staged: a vector counts as the lesser of promise and score, and what exceeds its promise is told") {
    each_pair({1u, 5u, 8u, 13u, 100u}, [](const Pair& pair, std::uint32_t dim) {
        const std::vector<float> query = normal(dim, 13);
        const std::vector<float> expected = expected_scores(pair, query.data());
        std::vector<kernels::Hit> exceeding;
        const auto hits = pair.refined(query.data(), -INFINITY, &exceeding);
        REQUIRE(hits.size() == n);
        std::size_t told = 0;
        for (std::size_t i = 0; i < n; ++i) {
            CHECK_EQ(hits[i].row, i);
            if (hits[i].score == expected[i]) continue;
            REQUIRE(told < exceeding.size());
            CHECK(hits[i].score < expected[i] && exceeding[told].row == i && exceeding[told].score == expected[i]);
            ++told;
        }
        CHECK_EQ(told, exceeding.size());
        CHECK(static_cast<double>(told) <= 0.02 * n);
    });
}

TEST("staged: by a factor of its own the first stage is right of a vector's own direction, whatever the dimension") {
    for (const std::uint32_t dim : {64u, 256u, 1024u}) {
        const Pair pair(dim, Metric::ip, false, 2);
        const std::vector<float> mean = normal(dim, 71);
        std::size_t exceeding_all = 0;
        for (std::size_t i = 0; i < 40; ++i) {
            std::vector<float> query(pair.plain.x.begin() + static_cast<std::ptrdiff_t>(i * dim),
                                     pair.plain.x.begin() + static_cast<std::ptrdiff_t>((i + 1) * dim));
            for (std::uint32_t j = 0; j < dim; ++j) query[j] -= mean[j];
            std::vector<kernels::Hit> exceeding;
            pair.refined(query.data(), -INFINITY, &exceeding);
            exceeding_all += std::ranges::count(exceeding, i, &kernels::Hit::row);
        }
        CHECK_EQ(exceeding_all, 0u);
    }
}

TEST("rabitq: codes are the same, whole in their blocks or staged, and so are the scores of rows") {
    for (const std::uint32_t dim : {1u, 6u, 8u, 100u}) {
        for (std::uint32_t bits = 1; bits <= 8; ++bits) {
            const auto whole_codec = make_codec(rabitq_parts(bits, dim), "codec", dim, Metric::ip, false);
            const auto staged_codec = make_codec(rabitq_parts(bits, dim, 2), "codec", dim, Metric::ip, false);
            CHECK_EQ(staged_codec->layout().has_stage, bits > 1);
            Parts unsaid = rabitq_parts(bits, dim);
            unsaid.params.erase("codec.staged");  // as in files written before this option existed
            const auto old_codec = make_codec(unsaid, "codec", dim, Metric::ip, false);
            const Coded whole(*whole_codec, normal(n * dim, 11), {}), staged(*staged_codec, whole.x, {});
            CHECK(whole.decoded == staged.decoded);
            CHECK(whole.a == staged.a);
            CHECK_EQ(whole.layout.rest_bytes, 0u);
            CHECK_EQ(staged.layout.rest_bytes, (bits - 1) * ((dim + 7) / 8));
            CHECK_EQ(old_codec->layout().rest_bytes, staged.layout.rest_bytes);
            const std::vector<float> query = normal(dim, 13);
            if (bits == 1) continue;  // scanned with tables
            const auto hits = whole.by_scan(query.data(), -INFINITY);
            const std::vector<float> rows = staged.by_rows(query.data());
            for (std::size_t i = 0; i < n; ++i) CHECK_EQ(rows[i], hits[i].score);
        }
    }
}

TEST("staged: refinement drops what is below the threshold, the first stage keeps the rest") {
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        std::size_t wanted = 0, found = 0;
        const Pair pair(100, metric, false, 2);
        for (std::uint64_t seed = 100; seed < 150; ++seed) {
            const std::vector<float> query = normal(100, seed);
            const std::vector<float> scores = expected_scores(pair, query.data());
            std::vector<float> sorted = scores;
            std::nth_element(sorted.begin(), sorted.begin() + 9, sorted.end(), std::greater<>());
            const auto hits = pair.refined(query.data(), sorted[9]);
            for (const kernels::Hit& hit : hits) CHECK(hit.score >= sorted[9] && hit.score == scores[hit.row]);
            wanted += 10;
            found += hits.size();
        }
        CHECK(found <= wanted);
        CHECK(static_cast<double>(found) >= 0.99 * static_cast<double>(wanted));
    }
}

}  // namespace
