// Recurrent binary codes: exact symmetric scores for every tail of half bytes, encoding row by row, damaged files.
// tests/python/spec/test_recurrent_binary.py has the oracle for the binarizer.
#include "codec_fixture.h"

namespace {

using namespace fixture;

constexpr std::size_t n = 75;  // two full blocks and a short one

Parts binary_parts(std::uint32_t bits, std::uint32_t m, bool symmetric) {
    Parts parts;
    parts.params = {{"codec.kind", 5}, {"codec.bits", bits}, {"codec.m", m}, {"codec.symmetric", symmetric}};
    return parts;
}

Parts mapped_parts(std::uint32_t bits, std::uint32_t m, std::uint32_t dim, std::uint32_t hidden) {
    Parts parts = binary_parts(bits, m, false);
    parts.params["codec.hidden"] = hidden;
    std::uint64_t seed = 50;
    const auto put = [&](const std::string& name, std::uint32_t steps, std::uint32_t rows, std::uint32_t cols) {
        set_array(parts, name, normal(std::size_t{steps} * rows * cols, ++seed));
        if (hidden == 0) return;
        set_array(parts, name + "_in", normal(std::size_t{steps} * hidden * cols, ++seed));
        set_array(parts, name + "_bias", normal(std::size_t{steps} * hidden, ++seed));
        set_array(parts, name + "_out", normal(std::size_t{steps} * rows * hidden, ++seed));
    };
    put("codec.base", 1, m, dim);
    put("codec.back", bits - 1, dim, m);
    put("codec.refine", bits - 1, m, dim);
    return parts;
}

TEST("recurrent binary: symmetric scores are the cosines of decoded codes, exact to the rounding of floats") {
    for (const std::uint32_t dim : {1u, 3u, 5u, 7u, 8u, 13u, 100u, 1030u, 4096u}) {
        for (std::uint32_t bits = 1; bits <= 4; ++bits) {
            const auto codec = make_codec(binary_parts(bits, dim, true), "codec", dim, Metric::ip, false);
            std::vector<float> x = normal(n * dim, 1);
            const std::vector<float> query(x.begin() + 5 * dim, x.begin() + 6 * dim);
            const Coded coded(*codec, x, {});
            const auto hits = coded.by_scan(query.data(), -INFINITY);
            const std::vector<float> rows = coded.by_rows(query.data());
            REQUIRE(hits.size() == n);
            for (std::size_t i = 0; i < n; ++i) {
                const double cosine = inner(coded.decoded.data() + 5 * dim, coded.decoded.data() + i * dim, dim);
                CHECK(std::fabs(double{hits[i].score} - cosine) < 1e-6);
                CHECK(std::fabs(double{rows[i]} - cosine) < 2e-3);
            }
            CHECK(std::fabs(hits[5].score - 1) < 1e-6f);
        }
    }
}

TEST("recurrent binary: a query that stays as it is scores the decoded vectors within the bound of its tables") {
    for (const std::uint32_t dim : {5u, 100u}) {
        for (std::uint32_t bits = 1; bits <= 4; ++bits) {
            const auto codec = make_codec(binary_parts(bits, dim, false), "codec", dim, Metric::ip, false);
            const Coded coded(*codec, normal(n * dim, 2), {});
            const std::vector<float> query = normal(dim, 3);
            const double norm = std::sqrt(inner(query.data(), query.data(), dim));
            float scale = 0;
            const auto hits = coded.by_scan(query.data(), -INFINITY, &scale);
            for (std::size_t i = 0; i < n; ++i) {
                const double expected = inner(query.data(), coded.decoded.data() + i * dim, dim) / norm;
                const double bound = 0.5 * double{scale} * coded.layout.elements * double{coded.a[i]};
                CHECK(std::fabs(double{hits[i].score} - expected) <= 1.001 * bound + 1e-6);
            }
        }
    }
}

TEST("recurrent binary: a row's code is the same alone and among others, a zero row has one too") {
    for (const std::uint32_t hidden : {0u, 11u}) {
        const auto codec = make_codec(mapped_parts(3, 9, 7, hidden), "codec", 7, Metric::ip, false);
        std::vector<float> x = normal(300 * 7, 4);
        std::fill_n(x.begin(), 7, 0.0f);
        const Coded coded(*codec, x, {});
        std::vector<std::uint8_t> row(coded.layout.row_bytes());
        for (std::size_t i = 0; i < 300; ++i) {
            float a = 0;
            codec->encode({x.data() + i * 7, 1, 7}, nullptr, row.data(), {&a, nullptr, nullptr});
            CHECK(std::equal(row.begin(), row.end(), coded.rows.begin() + static_cast<std::ptrdiff_t>(i * row.size())));
            CHECK(a == coded.a[i] && a > 0);
        }
        const std::vector<float> zero(7, 0.0f);
        for (const kernels::Hit& hit : coded.by_scan(zero.data(), -INFINITY)) CHECK(std::isfinite(hit.score));
    }
}

TEST("recurrent binary: the sign of zero is positive, of both zeros") {
    const auto codec = make_codec(binary_parts(1, 4, false), "codec", 4, Metric::ip, false);
    const std::vector<float> x{0.0f, -0.0f, -1.0f, 1.0f};
    std::uint8_t row = 0;
    float a = 0;
    codec->encode({x.data(), 1, 4}, nullptr, &row, {&a, nullptr, nullptr});
    CHECK(row == 0b1011);
}

TEST("recurrent binary: the encoder's weight multiplies every score and no code") {
    for (const bool symmetric : {false, true}) {
        Parts parts = binary_parts(2, 13, symmetric);
        const std::vector<float> x = normal(n * 13, 6), query = normal(13, 7);
        const auto plain = make_codec(parts, "codec", 13, Metric::ip, false);
        set_array(parts, "codec.weight", std::vector<float>{0.75f});
        const auto weighted = make_codec(parts, "codec", 13, Metric::ip, false);
        const Coded one(*plain, x, {}), other(*weighted, x, {});
        CHECK(one.rows == other.rows);
        const auto expected = one.by_scan(query.data(), -INFINITY), hits = other.by_scan(query.data(), -INFINITY);
        const std::vector<float> expected_rows = one.by_rows(query.data()), rows = other.by_rows(query.data());
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(std::fabs(hits[i].score - 0.75f * expected[i].score) < 1e-6f);
            CHECK(std::fabs(rows[i] - 0.75f * expected_rows[i]) < 1e-6f);
        }
    }
}

TEST("recurrent binary: damaged params and arrays are refused by name") {
    const auto refused = [](Parts parts, const char* text, Metric metric = Metric::ip, bool residual = false) {
        CHECK_THROWS(make_codec(parts, "codec", 7, metric, residual), text);
    };
    const Parts good = mapped_parts(2, 9, 7, 3);
    CHECK(make_codec(good, "codec", 7, Metric::ip, false) != nullptr);
    refused(good, "l2", Metric::l2);
    refused(good, "residuals", Metric::ip, true);
    refused(binary_parts(2, 9, true), "without maps");
    for (const char* name : {"codec.bits", "codec.m", "codec.symmetric"}) {
        Parts parts = good;
        parts.params[name] = 70000;
        refused(parts, name);
        parts.params.erase(name);
        refused(parts, name);
    }
    for (const char* name : {"codec.back", "codec.refine", "codec.base_in", "codec.back_bias", "codec.refine_out"}) {
        Parts parts = good;
        set_array(parts, name, std::vector<float>(5));
        refused(parts, name);
        parts.arrays.erase(name);
        refused(parts, name);
    }
    Parts parts = good;
    set_array(parts, "codec.base", std::vector<float>(63, NAN));
    refused(parts, "codec.base");
    parts = good;
    set_array(parts, "codec.decoder", std::vector<float>(62));
    refused(parts, "codec.decoder");
    for (const float weight : {0.0f, -1.0f, 2000.0f, NAN}) {
        parts = good;
        set_array(parts, "codec.weight", std::vector<float>{weight});
        refused(parts, "codec.weight");
    }
}

}  // namespace
