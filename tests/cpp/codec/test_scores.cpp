// For every codec, metric and residual: scores by scan and by rows are the similarity to the decoded vectors, within
// the error that the quantisation of the query allows.
#include "codec_fixture.h"

namespace {

using namespace fixture;

constexpr std::size_t n = 75;  // two full blocks and a short one

template <class Body>
void each(const Body& body) {
    for (const Case& one : cases()) {
        for (const Metric metric : {Metric::l2, Metric::ip}) {
            for (const bool residual : {false, true}) {
                const auto codec = make_codec(one.parts, "codec", one.dim, metric, residual);
                std::vector<float> origin;
                if (residual) origin = normal(n * one.dim, 2);
                body(one, Coded(*codec, normal(n * one.dim, 1), origin), metric);
            }
        }
    }
}

// Half a step of the query's integers in each dimension, times the largest level and the factor of the vector.
double scalar_bound(const Coded& coded, std::size_t i, const float* query, Metric metric, int limit) {
    const std::vector<float> mean = normal(coded.codec.dim(), 71);
    double largest = 0;
    for (std::uint32_t j = 0; j < coded.codec.dim(); ++j) {
        const float step = 0.5f + 0.1f * static_cast<float>(j % 7);
        const float q = metric == Metric::l2 && coded.origin.empty() ? query[j] - mean[j] : query[j];
        largest = std::max(largest, double{std::fabs(q * step)} * (metric == Metric::l2 ? 2 : 1));
    }
    return largest / limit / 2 * 127.5 * double{coded.a[i]} * coded.codec.dim();
}

bool is_scalar(const Case& one) {
    return one.relative == 0;
}

bool is_rabitq(const Case& one) {
    return one.parts.param("codec.kind") == 4;
}

bool has_digits(const Case& one) {
    return one.parts.has("codec.digits");
}

// The same for a grid vector.
double rabitq_bound(const Case& one, const Coded& coded, std::size_t i, const float* query, int limit) {
    double largest = 0;
    for (std::uint32_t j = 0; j < one.dim; ++j) largest = std::max(largest, std::fabs(double{query[j]}));
    const double outermost =
        has_digits(one) ? 128 * double{digits_value} : std::exp2(one.parts.param("codec.bits")) / 2;
    return largest / limit / 2 * outermost * double{coded.a[i]} * one.dim;
}

// Whether scores are estimates, which equal the decoded vectors' scores only under ip without residuals;
// tests/python/spec/test_rabitq.py has an oracle for all of them.
bool is_estimate(const Case& one, const Coded& coded, Metric metric) {
    return is_rabitq(one) && (metric == Metric::l2 || !coded.origin.empty());
}

TEST("codec: rows score the decoded vectors") {
    each([](const Case& one, const Coded& coded, Metric metric) {
        if (is_estimate(one, coded, metric)) return;
        const std::vector<float> query = normal(one.dim, 3);
        const std::vector<float> scores = coded.by_rows(query.data());
        for (std::size_t i = 0; i < coded.n; ++i) {
            const double error = std::fabs(double{scores[i]} - expected_score(coded, i, query.data(), metric));
            const int limit = coded.layout.has_stage ? 127 : 2047;
            double bound = is_scalar(one) ? scalar_bound(coded, i, query.data(), metric, limit) : 0;
            if (is_rabitq(one)) bound = rabitq_bound(one, coded, i, query.data(), limit);
            if (!(error <= bound + 1e-5 * magnitude(coded, i, query.data())))
                check::report(__FILE__, __LINE__, one.name);
        }
    });
}

TEST("codec: a scan scores the decoded vectors within the bound of its tables") {
    each([](const Case& one, const Coded& coded, Metric metric) {
        const bool staged = one.parts.param_or("codec.staged", 0) != 0 || coded.layout.rest_bytes > 0;
        if (staged || is_estimate(one, coded, metric)) return;
        const std::vector<float> query = normal(one.dim, 4);
        float scale = 0;
        const auto hits = coded.by_scan(query.data(), -INFINITY, &scale);
        REQUIRE(hits.size() == coded.n);
        CHECK(scale > 0);
        for (std::size_t i = 0; i < coded.n; ++i) {
            CHECK_EQ(hits[i].row, i);
            double error = double{hits[i].score} - expected_score(coded, i, query.data(), metric);
            // Tables of distances saturate for distant codewords (see test_pq.cpp), so distant vectors may seem nearer.
            const bool saturates = one.parts.param("codec.kind") == 3 && metric == Metric::l2 && coded.origin.empty();
            error = saturates ? std::max(-error, 0.0) : std::fabs(error);
            double bound = one.parts.param("codec.kind") >= 3 ? 0.5 * double{scale} * coded.layout.elements : 0;
            if (is_rabitq(one)) {
                const bool by_tables = !has_digits(one) && one.parts.param("codec.bits") == 1;
                bound = by_tables ? bound * double{coded.a[i]} : rabitq_bound(one, coded, i, query.data(), 127);
            }
            if (is_scalar(one)) bound = scalar_bound(coded, i, query.data(), metric, 127);
            if (!(error <= 1.001 * bound + 1e-5 * magnitude(coded, i, query.data())))
                check::report(__FILE__, __LINE__, one.name);
        }
    });
}

TEST("codec: listed rows score as in the whole") {
    each([](const Case& one, const Coded& coded, Metric) {
        const std::vector<float> query = normal(one.dim, 5);
        const std::vector<float> all = coded.by_rows(query.data());
        std::vector<std::uint8_t> prepared(coded.codec.row_query_bytes());
        coded.codec.prepare_rows(query.data(), prepared.data());
        std::vector<std::uint32_t> rows;
        for (std::uint32_t i = 0; i < 300; ++i) rows.push_back(static_cast<std::uint32_t>(i * 7 % n));
        std::vector<float> scores(rows.size());
        coded.codec.score_rows(prepared.data(), coded.row_codes(), rows.data(), rows.size(), scores.data());
        for (std::size_t i = 0; i < rows.size(); ++i) CHECK_EQ(scores[i], all[rows[i]]);
    });
}

TEST("codec: encoding does not depend on the block of rows") {
    each([](const Case& one, const Coded& coded, Metric) {
        std::vector<std::uint8_t> rows(coded.rows.size());
        std::vector<float> a(coded.a.size()), b(coded.b.size()), stage(coded.stage.size());
        const std::size_t bytes = coded.layout.row_bytes();
        for (std::size_t first = 0; first < n; first += 11) {
            const std::size_t count = std::min<std::size_t>(11, n - first);
            coded.codec.encode({coded.x.data() + first * one.dim, count, one.dim},
                               coded.origin.empty() ? nullptr : coded.origin.data() + first * one.dim,
                               rows.data() + first * bytes,
                               {a.empty() ? nullptr : a.data() + first, b.empty() ? nullptr : b.data() + first,
                                stage.empty() ? nullptr : stage.data() + first});
        }
        CHECK(rows == coded.rows);
        CHECK(a == coded.a);
        CHECK(b == coded.b);
        CHECK(stage == coded.stage);
    });
}

TEST("codec: zero and constant data and queries score finite numbers") {
    for (const Case& one : cases()) {
        for (const Metric metric : {Metric::l2, Metric::ip}) {
            const auto codec = make_codec(one.parts, "codec", one.dim, metric, false);
            std::vector<float> x(3 * one.dim, 0.0f);
            std::fill_n(x.begin() + one.dim, one.dim, 2.5f);
            const std::vector<float> mean = normal(one.dim, 71);  // the zero of a scalar codec
            std::copy(mean.begin(), mean.end(), x.begin() + 2 * one.dim);
            const Coded coded(*codec, x, {});
            for (const float value : {0.0f, 1e-38f, 1.0f}) {
                const std::vector<float> query(one.dim, value);
                for (const float score : coded.by_rows(query.data())) CHECK(std::isfinite(score));
                const auto hits = coded.by_scan(query.data(), -INFINITY);
                CHECK_EQ(hits.size(), 3u);
                for (const kernels::Hit& hit : hits) CHECK(std::isfinite(hit.score));
            }
            if (is_scalar(one) || is_rabitq(one))
                for (std::uint32_t j = 0; j < one.dim; ++j) CHECK_EQ(coded.decoded[2 * one.dim + j], mean[j]);
        }
    }
}

TEST("codec: the largest dimension keeps its sums in range") {
    constexpr std::uint32_t dim = 65535;
    for (const std::uint32_t bits : {4u, 8u}) {
        Parts parts = scalar_parts(bits, dim);
        set_array(parts, "codec.mean", std::vector<float>(dim, 0.0f));
        set_array(parts, "codec.step", std::vector<float>(dim, 1.0f));
        const auto codec = make_codec(parts, "codec", dim, Metric::ip, false);
        const Coded coded(*codec, std::vector<float>(dim, 1.0f), {});
        const std::vector<float> query(dim, 1.0f);
        CHECK(std::fabs(coded.by_rows(query.data())[0] / float{dim} - 1) < 0.01f);
        CHECK(std::fabs(coded.by_scan(query.data(), -INFINITY)[0].score / float{dim} - 1) < 0.01f);
    }
}

}  // namespace
