// Product quantization: nearest codewords, uneven subspaces, anisotropic encoding, training.
#include "codec_fixture.h"

namespace {

using namespace fixture;

std::vector<float> codebook_of(const Parts& parts, const std::string& name = "codec.codebook") {
    const std::size_t count = parts.count<float>(name);
    const auto values = parts.array<float>(name, count);
    return {values.begin(), values.end()};
}

std::uint32_t code_at(const std::uint8_t* row, std::uint32_t s, std::uint32_t bits) {
    return bits == 8 ? row[s] : (row[s / 2] >> (4 * (s % 2))) & 15u;
}

TEST("pq: a vector of codewords decodes to itself, and codes are the nearest codewords") {
    for (const std::uint32_t dim : odd_dims) {
        for (const std::uint32_t bits : {4u, 8u}) {
            for (const std::uint32_t m : {1u, (dim + 1) / 2, dim}) {
                const Parts parts = pq_parts(bits, m, dim);
                const std::vector<float> book = codebook_of(parts);
                const std::size_t k = std::size_t{1} << bits, width = pq_width(m, dim), n = 40;
                std::vector<float> words(n * dim);
                for (std::size_t i = 0; i < n; ++i)
                    for (std::uint32_t s = 0; s < m; ++s)
                        for (std::uint32_t j = pq_begin(s, m, dim); j < pq_begin(s + 1, m, dim); ++j)
                            words[i * dim + j] = book[(s * k + (i * 5 + s) % k) * width + j - pq_begin(s, m, dim)];
                const auto codec = make_codec(parts, "codec", dim, Metric::l2, false);
                const Coded exact(*codec, words, {});
                // Unless rounding makes codewords indistinguishable.
                for (std::size_t i = 0; i < words.size(); ++i) CHECK(std::fabs(exact.decoded[i] - words[i]) < 2e-3f);

                const Coded coded(*codec, normal(n * dim, 21), {});
                for (std::size_t i = 0; i < n; ++i) {
                    for (std::uint32_t s = 0; s < m; ++s) {
                        const std::uint32_t begin = pq_begin(s, m, dim), end = pq_begin(s + 1, m, dim);
                        const auto distance = [&](std::size_t code) {
                            double sum = 0;
                            for (std::uint32_t j = begin; j < end; ++j) {
                                const double r =
                                    double{coded.x[i * dim + j]} - double{book[(s * k + code) * width + j - begin]};
                                sum += r * r;
                            }
                            return sum;
                        };
                        double least = INFINITY;
                        for (std::size_t code = 0; code < k; ++code) least = std::min(least, distance(code));
                        const std::uint32_t chosen = code_at(&coded.rows[i * coded.layout.row_bytes()], s, bits);
                        CHECK(distance(chosen) <= least + 1e-5);
                    }
                }
            }
        }
    }
}

TEST("pq: a codeword of an outlying vector does not set the step of the others under l2") {
    constexpr std::uint32_t dim = 16, m = 8;
    constexpr std::size_t n = 64;
    for (const std::uint32_t bits : {4u, 8u}) {
        Parts parts = pq_parts(bits, m, dim);
        std::vector<float> book = codebook_of(parts);
        const std::size_t k = std::size_t{1} << bits;
        for (std::uint32_t s = 0; s < m; ++s)
            for (std::size_t j = 0; j < 2; ++j) book[(s * k + 3) * 2 + j] = 1000.0f + static_cast<float>(s);
        set_array(parts, "codec.codebook", book);
        const auto codec = make_codec(parts, "codec", dim, Metric::l2, false);
        std::vector<float> x = normal(n * dim, 31);
        std::fill_n(x.begin() + 5 * dim, dim, 1000.0f);
        const Coded coded(*codec, x, {});
        float scale = 0;
        for (std::size_t near = 0; near < n; ++near) {
            if (near == 5) continue;
            const float* query = coded.decoded.data() + near * dim;
            const auto hits = coded.by_scan(query, -INFINITY, &scale);
            CHECK(scale < 0.5f);  // for squared distances up to 100; up to a million without the limit
            CHECK(std::fabs(hits[near].score) <= 0.5f * scale * m + 1e-3f);
            for (std::size_t i = 0; i < n; ++i) CHECK(hits[i].score <= hits[near].score + scale * m);
            CHECK(hits[5].score < -20);
        }
    }
}

TEST("pq: under ip queries that an outlying codeword would blur are scanned by float tables") {
    constexpr std::uint32_t dim = 16, m = 8;
    for (const std::uint32_t bits : {4u, 8u}) {
        for (const std::size_t n : {1u, 31u, 64u, 77u}) {
            Parts parts = pq_parts(bits, m, dim);
            std::vector<float> book = codebook_of(parts);
            const std::size_t k = std::size_t{1} << bits;
            for (std::uint32_t s = 0; s < m; ++s)
                for (std::size_t j = 0; j < 2; ++j) book[(s * k + 3) * 2 + j] = 1000.0f;
            const auto ordinary = make_codec(pq_parts(bits, m, dim), "codec", dim, Metric::ip, false);
            std::vector<std::uint8_t> bytes(ordinary->table_bytes());
            std::vector<float> table{1};
            ordinary->prepare_scan(normal(dim, 5).data(), bytes.data(), table);
            CHECK(table.empty());
            set_array(parts, "codec.codebook", book);
            const auto codec = make_codec(parts, "codec", dim, Metric::ip, false);
            const Coded coded(*codec, normal(n * dim, 31), {});
            const std::vector<float> query = normal(dim, 5);
            const QueryTerms terms = codec->prepare_scan(query.data(), bytes.data(), table);
            REQUIRE(table.size() == m * k);
            std::vector<kernels::Hit> hits(n);
            kernels::ScanQuery scanned{
                table.data(), terms.scale, terms.offset, terms.constant, -INFINITY, hits.data(), 0};
            codec->scan_wide(coded.scan(scanned));
            REQUIRE(scanned.count == n && scanned.table == table.data());
            const std::vector<float> rows = coded.by_rows(query.data());
            for (std::size_t i = 0; i < n; ++i)
                CHECK(std::fabs(hits[i].score - rows[i]) <= 1e-5f * (1 + std::fabs(rows[i])));
        }
    }
}

double anisotropic_loss(const Coded& coded, std::size_t i, double eta) {
    const std::size_t d = coded.codec.dim();
    double squares = 0, along = 0;
    const float* x = coded.x.data() + i * d;
    for (std::size_t j = 0; j < d; ++j) {
        const double r = double{x[j]} - double{coded.decoded[i * d + j]};
        squares += r * r;
        along += r * double{x[j]};
    }
    return squares + (eta - 1) * along * along / inner(x, x, d);
}

TEST("pq: anisotropic encoding lowers its loss, and is plain encoding for eta 1") {
    constexpr std::uint32_t dim = 20;
    constexpr std::size_t n = 200;
    for (const std::uint32_t bits : {4u, 8u}) {
        for (const std::uint32_t m : {1u, 7u, 10u}) {
            for (const bool residual : {false, true}) {
                const std::vector<float> x = normal(n * dim, 31);
                const std::vector<float> origin = residual ? normal(n * dim, 32) : std::vector<float>{};
                Parts parts = pq_parts(bits, m, dim);
                const auto plain_codec = make_codec(parts, "codec", dim, Metric::ip, residual);
                const Coded plain(*plain_codec, x, origin);
                set_array(parts, "codec.eta", std::vector<float>{1.0f});
                CHECK(Coded(*make_codec(parts, "codec", dim, Metric::ip, residual), x, origin).rows == plain.rows);
                set_array(parts, "codec.eta", std::vector<float>{4.0f});
                const auto codec = make_codec(parts, "codec", dim, Metric::ip, residual);
                const Coded coded(*codec, x, origin);
                double before = 0, after = 0;
                for (std::size_t i = 0; i < n; ++i) {
                    const double was = anisotropic_loss(plain, i, 4), is = anisotropic_loss(coded, i, 4);
                    CHECK(is <= was * (1 + 1e-5) + 1e-5);
                    before += was;
                    after += is;
                }
                CHECK(after < before);
            }
        }
    }
    // Without a direction there is no preference.
    Parts parts = pq_parts(4, 5, dim);
    const auto plain_codec = make_codec(parts, "codec", dim, Metric::ip, false);
    set_array(parts, "codec.eta", std::vector<float>{4.0f});
    const auto codec = make_codec(parts, "codec", dim, Metric::ip, false);
    const std::vector<float> zero(dim, 0.0f);
    CHECK(Coded(*codec, zero, {}).rows == Coded(*plain_codec, zero, {}).rows);
}

TEST("pq: the scoring codebook scores and decodes, the other encodes") {
    const Parts both = pq_parts(4, 5, 13, true), one = pq_parts(4, 5, 13);
    const auto trained = make_codec(both, "codec", 13, Metric::ip, false);
    const auto plain = make_codec(one, "codec", 13, Metric::ip, false);
    const std::vector<float> x = normal(50 * 13, 41);
    const Coded a(*trained, x, {}), b(*plain, x, {});
    CHECK(a.rows == b.rows);
    CHECK(a.decoded != b.decoded);
}

double squared_error(const Parts& parts, const std::vector<float>& x, std::uint32_t dim) {
    const auto codec = make_codec(parts, "codec", dim, Metric::l2, false);
    const Coded coded(*codec, x, {});
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(double{x[i]} - double{coded.decoded[i]}, 2);
    return sum / static_cast<double>(coded.n);
}

TEST("pq_train: any thread count the same codebook, more iterations no worse, padding zero") {
    constexpr std::uint32_t dim = 13, m = 5;
    const std::vector<float> x = normal(2000 * dim, 51);
    const MatrixView view{x.data(), 2000, dim};
    const std::vector<float> book = pq_train(view, m, 4, 10, 1, 1, nullptr);
    CHECK(book == pq_train(view, m, 4, 10, 1, 3, nullptr));
    Parts parts = pq_parts(4, m, dim);
    const double random = squared_error(parts, x, dim);
    set_array(parts, "codec.codebook", book);
    const double trained = squared_error(parts, x, dim);
    CHECK(trained < 0.8 * random);
    set_array(parts, "codec.codebook", pq_train(view, m, 4, 10, 2, 1, book.data()));
    CHECK(squared_error(parts, x, dim) <= trained * (1 + 1e-6));
    const std::size_t width = pq_width(m, dim);
    for (std::uint32_t s = 0; s < m; ++s)
        for (std::size_t code = 0; code < 16; ++code)
            for (std::size_t j = pq_begin(s + 1, m, dim) - pq_begin(s, m, dim); j < width; ++j)
                CHECK_EQ(book[(s * 16 + code) * width + j], 0.0f);
    // With fewer points than codewords, the points are encoded exactly.
    Parts few = pq_parts(8, m, dim);
    const std::vector<float> some(x.begin(), x.begin() + 100 * dim);
    set_array(few, "codec.codebook", pq_train({some.data(), 100, dim}, m, 8, 10, 1, 1, nullptr));
    CHECK(squared_error(few, some, dim) < 1e-10);
    CHECK_THROWS(pq_train(view, 14, 4, 10, 1, 1, nullptr), "m: got 14, expected 1..13");
    CHECK_THROWS(pq_train(view, 5, 5, 10, 1, 1, nullptr), "bits: got 5");
    CHECK_THROWS(pq_train(view, 0, 4, 10, 1, 1, nullptr), "m: got 0, expected 1..13");
    CHECK_THROWS(pq_train(view.block(0, 0), m, 4, 10, 1, 1, nullptr), "pq_train: got no vectors");
    for (const std::uint32_t each : {1u, dim}) CHECK(!pq_train(view.block(0, 20), each, 4, 1, 1, 1, nullptr).empty());
    const std::vector<float> wide = normal(65536, 3);
    CHECK(!pq_train({wide.data(), 1, 65535}, 1, 4, 1, 1, 1, nullptr).empty());
    CHECK(!pq_train({wide.data(), 5, 1}, 1, 4, 1, 1, 1, nullptr).empty());
    for (const std::size_t wrong : {std::size_t{0}, wide.size()})
        CHECK_THROWS(pq_train({wide.data(), 1, wrong}, 1, 4, 1, 1, 1, nullptr), "1..65535");
}

}  // namespace
