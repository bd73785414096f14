// Staged codes are the same codes in another shape: same decoded vectors, same final scores, and a first stage that
// is optimistic enough to lose next to nothing.
#include <algorithm>

#include "codec_fixture.h"

namespace {

using namespace fixture;

constexpr std::size_t n = 333;

struct Pair {
    Pair(std::uint32_t dim, Metric metric, bool residual)
        : plain_codec(make_codec(scalar_parts(4, dim), "codec", dim, metric, residual)),
          staged_codec(make_codec(scalar_parts(4, dim, true), "codec", dim, metric, residual)),
          plain(*plain_codec, normal(n * dim, 11), residual ? normal(n * dim, 12) : std::vector<float>{}),
          staged(*staged_codec, plain.x, plain.origin) {
        const std::size_t rest = staged.layout.rest_bytes;
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint8_t* from =
                staged.rows.data() + i * staged.layout.row_bytes() + staged.layout.block_part_bytes();
            rests.insert(rests.end(), from, from + rest);
        }
    }
    // The hits after refinement.
    std::vector<kernels::Hit> refined(const float* query, float threshold) const {
        std::vector<std::uint8_t> table(staged_codec->table_bytes()), rows(staged_codec->row_query_bytes());
        const QueryTerms terms = staged_codec->prepare(query, table.data());
        staged_codec->prepare_rows(query, rows.data());
        std::vector<kernels::Hit> hits(n + 1);
        hits[0] = {7, 123.0f};  // an earlier hit, which refinement leaves alone
        kernels::ScanQuery scanned{table.data(), terms.scale, terms.offset, terms.constant, threshold, hits.data(), 1};
        const kernels::Scan scan = staged.scan(scanned);
        staged_codec->scan_kernel()(scan);
        staged_codec->refine(scan, {rests.data(), staged.layout.rest_bytes, scan.a, scan.b}, rows.data(), scanned, 1);
        CHECK(hits[0].row == 7 && hits[0].score == 123.0f);
        hits.resize(scanned.count);
        hits.erase(hits.begin());
        return hits;
    }
    std::shared_ptr<const Codec> plain_codec, staged_codec;
    Coded plain, staged;
    std::vector<std::uint8_t> rests;
};

TEST("staged: decodes and scores rows as the codes that are not, bit for bit; refinement only caps") {
    for (const std::uint32_t dim : {1u, 3u, 5u, 7u, 8u, 13u, 100u}) {
        for (const Metric metric : {Metric::l2, Metric::ip}) {
            for (const bool residual : {false, true}) {
                const Pair pair(dim, metric, residual);
                CHECK(pair.plain.decoded == pair.staged.decoded);
                CHECK(pair.plain.a == pair.staged.a);
                CHECK(pair.plain.b == pair.staged.b);
                const std::vector<float> query = normal(dim, 13);
                const std::vector<float> expected = pair.plain.by_rows(query.data());
                CHECK(pair.staged.by_rows(query.data()) == expected);
                const auto hits = pair.refined(query.data(), -INFINITY);
                REQUIRE(hits.size() == n);
                std::size_t uncapped = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    CHECK_EQ(hits[i].row, i);
                    CHECK(hits[i].score <= expected[i]);  // capped by the first stage's optimistic score
                    uncapped += hits[i].score == expected[i];
                }
                CHECK(static_cast<double>(uncapped) >= 0.98 * n);
            }
        }
    }
}

TEST("rabitq: codes are the same, whole in their blocks or staged, and so are the scores of rows") {
    for (const std::uint32_t dim : {1u, 6u, 8u, 100u}) {
        for (std::uint32_t bits = 1; bits <= 8; ++bits) {
            const auto whole_codec = make_codec(rabitq_parts(bits, dim), "codec", dim, Metric::ip, false);
            const auto staged_codec = make_codec(rabitq_parts(bits, dim, true), "codec", dim, Metric::ip, false);
            Parts unsaid = rabitq_parts(bits, dim);
            unsaid.params.erase("codec.staged");  // as in files from before there was a choice
            const auto old_codec = make_codec(unsaid, "codec", dim, Metric::ip, false);
            const Coded whole(*whole_codec, normal(n * dim, 11), {}), staged(*staged_codec, whole.x, {});
            CHECK(whole.decoded == staged.decoded);
            CHECK(whole.a == staged.a);
            CHECK_EQ(whole.layout.rest_bytes, 0u);
            CHECK_EQ(staged.layout.rest_bytes, (bits - 1) * ((dim + 7) / 8));
            CHECK_EQ(old_codec->layout().rest_bytes, staged.layout.rest_bytes);
            const std::vector<float> query = normal(dim, 13);
            CHECK(whole.by_rows(query.data()) == staged.by_rows(query.data()));
        }
    }
}

TEST("staged: refinement drops what is below the threshold, the first stage keeps the rest") {
    for (const Metric metric : {Metric::l2, Metric::ip}) {
        std::size_t wanted = 0, found = 0;
        const Pair pair(100, metric, false);
        for (std::uint64_t seed = 100; seed < 150; ++seed) {
            const std::vector<float> query = normal(100, seed);
            const std::vector<float> scores = pair.plain.by_rows(query.data());
            std::vector<float> sorted = scores;
            std::nth_element(sorted.begin(), sorted.begin() + 9, sorted.end(), std::greater<>());
            const auto hits = pair.refined(query.data(), sorted[9]);
            for (const kernels::Hit& hit : hits) CHECK(hit.score >= sorted[9] && hit.score <= scores[hit.row]);
            wanted += 10;
            found += hits.size();
        }
        CHECK(found <= wanted);
        CHECK(static_cast<double>(found) >= 0.99 * static_cast<double>(wanted));
    }
}

}  // namespace
