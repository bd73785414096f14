// Every instruction set compared with the scalar specification, bit for bit, in buffers that end at a guard page.
#include <deque>
#include <string>

#include "check.h"
#include "kernels/float_cases.h"

using namespace fewbits::kernels;
using cases::Guarded;
using cases::infinity;
using cases::nan_value;
using cases::random_floats;
using cases::same_bits;

namespace {

const std::vector<std::uint32_t> all_dims = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 129, 384, 1024};

std::vector<std::uint16_t> halves(const std::vector<float>& x) {
    std::vector<std::uint16_t> out(x.size());
    cases::scalar().f32_to_f16(x.data(), x.size(), out.data());
    return out;
}

// Every n in 1..70 if that is cheap, otherwise the corner cases.
std::vector<std::uint32_t> sizes(std::uint32_t dim) {
    if (dim > 17) return {1, 2, 7, 8, 9, 15, 24, 31, 32, 33, 40, 63, 64, 65, 70};
    std::vector<std::uint32_t> all;
    for (std::uint32_t n = 1; n <= 70; ++n) all.push_back(n);
    return all;
}

void sow_specials(std::vector<float>& x, std::uint64_t seed) {
    const float specials[] = {infinity, -infinity, nan_value, -0.0f, 0.0f, 1e-41f, -1e-41f, 3e38f, -6e-8f, 1e-20f};
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::uint64_t draw = fewbits::random_below(seed, i, 80);
        if (draw < 10) x[i] = specials[draw];
    }
}

// --- scans -----------------------------------------------------------------------------------------------------------

struct ScanCase {
    std::deque<Guarded<float>> tables;
    std::vector<ScanQuery> queries;
    std::vector<std::vector<Hit>> hits;
    Scan scan{};

    void add_query(std::uint64_t seed, std::uint32_t m, std::uint32_t n, bool special) {
        auto values = random_floats(seed, m);
        if (special) sow_specials(values, seed);
        tables.emplace_back(values);
        const auto extra = random_floats(seed + 1, 5);
        const float threshold = seed % 3 == 0 ? -infinity : extra[3] * 0.3f;
        hits.emplace_back(n, Hit{~0u, 0});
        queries.push_back(
            {tables.back().data(), 0.5f + extra[0] * 0.4f, extra[1], extra[2], threshold, nullptr, 0, extra[4]});
    }

    void run(void (*kernel)(const Scan&)) {
        for (std::size_t i = 0; i < queries.size(); ++i) {
            std::fill(hits[i].begin(), hits[i].end(), Hit{~0u, 0});
            queries[i].hits = hits[i].data();
            queries[i].count = 0;
        }
        scan.queries = queries.data();
        scan.n_queries = static_cast<std::uint32_t>(queries.size());
        kernel(scan);
    }
};

bool same_hits(const std::vector<Hit>& x, const std::vector<Hit>& y) {
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (x[i].row != y[i].row || !same_bits(x[i].score, y[i].score)) return false;
    }
    return x.size() == y.size();
}

template <class Element>
void compare_scan(const char* what, void (*Kernels::*kernel)(const Scan&), const std::vector<Element>& rows,
                  std::uint32_t n, std::uint32_t m, bool special) {
    const std::uint64_t seed = n * 1000003ull + m;
    const Guarded<Element> codes(cases::to_blocks(rows, n, m));
    const Guarded<float> a(random_floats(seed + 7, n)), b(random_floats(seed + 8, n));
    ScanCase one;
    for (std::uint32_t i = 0; i < 1 + (n + m) % 8; ++i) one.add_query(seed + 10 * i, m, n, special);
    one.scan.codes = cases::bytes_of(codes);
    one.scan.n = n;
    one.scan.m = m;
    one.scan.first_row = 13 + n % 5;
    one.scan.a = n % 2 ? a.data() : nullptr;
    one.scan.b = n % 3 ? b.data() : nullptr;
    Guarded<std::uint8_t> allow((one.scan.first_row + n + 7) / 8 + 8);
    for (std::size_t i = 0; i < allow.size(); ++i) allow[i] = static_cast<std::uint8_t>(fewbits::random_bits(seed, i));
    one.scan.allow = n % 4 == 3 ? allow.data() : nullptr;

    one.run(cases::scalar().*kernel);
    const auto expected = one.hits;
    std::vector<std::size_t> counts;
    for (const auto& query : one.queries) counts.push_back(query.count);
    for (const Kernels* set : cases::fast_sets()) {
        one.run(set->*kernel);
        for (std::size_t i = 0; i < one.queries.size(); ++i) {
            const bool same = one.queries[i].count == counts[i] && same_hits(one.hits[i], expected[i]);
            if (!same) {
                check::report(
                    __FILE__, __LINE__,
                    std::string(set->isa) + " " + what + " n " + std::to_string(n) + " m " + std::to_string(m));
            }
        }
    }
}

void compare_scans(bool special) {
    for (const std::uint32_t m : all_dims) {
        for (const std::uint32_t n : sizes(m)) {
            auto rows = random_floats(n * 77 + m, std::size_t{n} * m);
            if (special) sow_specials(rows, n * 31 + m);
            const auto small = halves(rows);
            compare_scan("dot_f32", &Kernels::dot_f32, rows, n, m, special);
            compare_scan("dot_f16", &Kernels::dot_f16, small, n, m, special);
            compare_scan("l2_f32", &Kernels::l2_f32, rows, n, m, special);
            compare_scan("l2_f16", &Kernels::l2_f16, small, n, m, special);
        }
    }
}

TEST("float scans: every set returns the specification's hits") {
    compare_scans(false);
}
TEST("float scans: the same with infinities, NaN, zeros and subnormals") {
    compare_scans(true);
}

// Scores of n vectors for one query, in order; threshold -inf, without any factors.
std::vector<float> scores(void (*kernel)(const Scan&), const std::uint8_t* codes, std::uint32_t n, std::uint32_t m,
                          const float* query) {
    std::vector<Hit> hits(n);
    ScanQuery one{query, 1, 0, 0, -infinity, hits.data(), 0};
    Scan scan{};
    scan.codes = codes;
    scan.n = n;
    scan.m = m;
    scan.queries = &one;
    scan.n_queries = 1;
    kernel(scan);
    REQUIRE(one.count == n);
    std::vector<float> out;
    for (const Hit& hit : hits) out.push_back(hit.score);
    return out;
}

TEST("float scans: the specification against double precision") {
    for (const std::uint32_t m : all_dims) {
        const std::uint32_t n = 37;
        const auto rows = random_floats(m, std::size_t{n} * m);
        const auto query = random_floats(m + 1, m);
        const auto small = halves(rows);
        std::vector<float> widened(rows.size());
        cases::scalar().f16_to_f32(small.data(), small.size(), widened.data());
        const auto blocks = cases::to_blocks(rows, n, m);
        const auto small_blocks = cases::to_blocks(small, n, m);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
        const auto* small_bytes = reinterpret_cast<const std::uint8_t*>(small_blocks.data());
        const auto dot = scores(cases::scalar().dot_f32, bytes, n, m, query.data());
        const auto l2 = scores(cases::scalar().l2_f32, bytes, n, m, query.data());
        const auto small_dot = scores(cases::scalar().dot_f16, small_bytes, n, m, query.data());
        const auto small_l2 = scores(cases::scalar().l2_f16, small_bytes, n, m, query.data());
        for (std::uint32_t v = 0; v < n; ++v) {
            double sum[4] = {}, size[4] = {};
            for (std::uint32_t j = 0; j < m; ++j) {
                const double q = query[j], x = rows[v * m + j], h = widened[v * m + j];
                const double terms[4] = {q * x, -(q - x) * (q - x), q * h, -(q - h) * (q - h)};
                for (int t = 0; t < 4; ++t) {
                    sum[t] += terms[t];
                    size[t] += std::fabs(terms[t]);
                }
            }
            const float got[4] = {dot[v], l2[v], small_dot[v], small_l2[v]};
            for (int t = 0; t < 4; ++t) CHECK(std::fabs(got[t] - sum[t]) <= (m + 3) * 0x1p-24 * size[t]);
        }
    }
}

TEST("float scans: score, threshold and order") {
    for (const Kernels* set : cases::fast_sets()) {
        const float x[3] = {1, nan_value, 3};  // one dimension: a run of three
        const float a[3] = {2, 1, 4}, b[3] = {10, 0, 20};
        const float query = 5;
        Hit hits[3];
        ScanQuery one{&query, 0.5f, 1, 100, 127, hits, 0, 2};  // vector 0: (2.5 + 1) * 2 + 2 * 10 + 100 = 127
        Scan scan{};
        scan.codes = reinterpret_cast<const std::uint8_t*>(x);
        scan.n = 3;
        scan.m = 1;
        scan.first_row = 40;
        scan.a = a;
        scan.b = b;
        scan.queries = &one;
        scan.n_queries = 1;
        for (const Kernels* each : {set, &cases::scalar()}) {
            one.count = 0;
            each->dot_f32(scan);
            REQUIRE(one.count == 2);  // a score equal to the threshold is a hit, NaN is not
            CHECK(hits[0].row == 40 && hits[0].score == 127);
            CHECK(hits[1].row == 42 && hits[1].score == 174);  // (7.5 + 1) * 4 + 2 * 20 + 100
        }
        one.threshold = -infinity;
        one.count = 0;
        set->dot_f32(scan);
        CHECK_EQ(one.count, 2u);
        one.threshold = 127.00001f;
        one.count = 0;
        set->dot_f32(scan);
        CHECK_EQ(one.count, 1u);
    }
}

// --- maxima ----------------------------------------------------------------------------------------------------------

template <class Element>
void compare_max(void (*Kernels::*max)(const Scan&), void (*Kernels::*scan)(const Scan&),
                 const std::vector<Element>& rows, std::uint32_t n, std::uint32_t m) {
    const Guarded<Element> codes(cases::to_blocks(rows, n, m));
    const Guarded<float> a(random_floats(n + 7, n));
    ScanCase one;
    for (std::uint32_t i = 0; i < 1 + (n + m) % 6; ++i) one.add_query(n * 100 + m + 10 * i, m, n, false);
    one.scan.codes = cases::bytes_of(codes);
    one.scan.n = n;
    one.scan.m = m;
    one.scan.a = n % 2 ? a.data() : nullptr;
    std::vector<float> before, expected;
    for (const ScanQuery& query : one.queries) before.push_back(query.threshold);
    one.run(cases::scalar().*scan);
    for (std::size_t i = 0; i < before.size(); ++i) {
        expected.push_back(before[i]);
        for (std::size_t h = 0; h < one.queries[i].count; ++h)
            expected[i] = std::max(expected[i], one.hits[i][h].score);
    }
    for (const Kernels* set : cases::all_sets()) {
        for (std::size_t i = 0; i < before.size(); ++i) one.queries[i].threshold = before[i];
        one.run(set->*max);
        for (std::size_t i = 0; i < before.size(); ++i) {
            CHECK(same_bits(one.queries[i].threshold, expected[i]));
            CHECK_EQ(one.queries[i].count, 0u);
        }
    }
}

TEST("max_dot_f32, max_dot_f16: thresholds rise to the best score that dot_f32, dot_f16 would give") {
    for (const std::uint32_t m : {1u, 3u, 16u, 33u, 128u}) {
        for (const std::uint32_t n : {1u, 2u, 7u, 8u, 9u, 31u, 32u, 33u, 65u, 127u}) {
            const auto rows = random_floats(n * 77 + m, std::size_t{n} * m);
            compare_max(&Kernels::max_dot_f32, &Kernels::dot_f32, rows, n, m);
            compare_max(&Kernels::max_dot_f16, &Kernels::dot_f16, halves(rows), n, m);
        }
    }
}

// --- rows ------------------------------------------------------------------------------------------------------------

template <class Element>
void compare_rows(const char* what, void (*Kernels::*kernel)(const Rows&), const std::vector<float>& values,
                  std::uint32_t dim, std::uint32_t n, const std::vector<Element>& elements, std::size_t pad) {
    // `n` rows of dim elements, `pad` elements apart, the last one ending at the guard page
    const std::size_t stride = dim + pad;
    Guarded<Element> base(stride * (n - 1) + dim);
    for (std::uint32_t i = 0; i < n; ++i) {
        std::memcpy(base.data() + i * stride, elements.data() + std::size_t{i} * dim, dim * sizeof(Element));
    }
    const Guarded<float> query(std::vector<float>(values.begin(), values.begin() + dim));
    Guarded<std::uint32_t> numbers(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        numbers[i] = static_cast<std::uint32_t>(fewbits::random_below(dim, i, n));
    }
    Guarded<float> expected(n), got(n);
    Rows rows{cases::bytes_of(base), stride * sizeof(Element), numbers.data(), n, dim, nullptr,
              query.data(),          expected.data()};
    for (const bool listed : {true, false}) {
        rows.rows = listed ? numbers.data() : nullptr;
        rows.out = expected.data();
        (cases::scalar().*kernel)(rows);
        rows.out = got.data();
        for (const Kernels* set : cases::fast_sets()) {
            std::fill(got.data(), got.data() + n, nan_value);
            (set->*kernel)(rows);
            for (std::uint32_t i = 0; i < n; ++i) {
                if (!same_bits(got[i], expected[i])) {
                    check::report(__FILE__, __LINE__,
                                  check::show((std::string(set->isa) + " " + what).c_str(), dim, n));
                }
            }
        }
    }
}

TEST("float rows: every set returns the specification's sums") {
    for (const std::uint32_t dim : all_dims) {
        for (std::uint32_t n = 1; n <= 11; ++n) {
            for (const bool special : {false, true}) {
                auto values = random_floats(dim * 3 + n, std::size_t{n} * dim);
                if (special) sow_specials(values, dim + n);
                const auto small = halves(values);
                const auto query = random_floats(dim + n, dim);
                const std::size_t pad = n % 3;
                compare_rows("rows_dot_f32", &Kernels::rows_dot_f32, query, dim, n, values, pad);
                compare_rows("rows_l2_f32", &Kernels::rows_l2_f32, query, dim, n, values, pad);
                compare_rows("rows_dot_f16", &Kernels::rows_dot_f16, query, dim, n, small, pad);
                compare_rows("rows_l2_f16", &Kernels::rows_l2_f16, query, dim, n, small, pad);
            }
        }
    }
}

TEST("float rows: the specification against double precision") {
    for (const std::uint32_t dim : all_dims) {
        const auto x = random_floats(dim, dim), q = random_floats(dim + 1, dim);
        const auto small = halves(x);
        std::vector<float> widened(dim);
        cases::scalar().f16_to_f32(small.data(), dim, widened.data());
        float got[4];
        Rows rows{reinterpret_cast<const std::uint8_t*>(x.data()), 0, nullptr, 1, dim, nullptr, q.data(), &got[0]};
        cases::scalar().rows_dot_f32(rows);
        rows.out = &got[1];
        cases::scalar().rows_l2_f32(rows);
        rows.base = reinterpret_cast<const std::uint8_t*>(small.data());
        rows.out = &got[2];
        cases::scalar().rows_dot_f16(rows);
        rows.out = &got[3];
        cases::scalar().rows_l2_f16(rows);
        double sum[4] = {}, size[4] = {};
        for (std::uint32_t j = 0; j < dim; ++j) {
            const double a = q[j], b = x[j], h = widened[j];
            const double terms[4] = {a * b, (a - b) * (a - b), a * h, (a - h) * (a - h)};
            for (int t = 0; t < 4; ++t) {
                sum[t] += terms[t];
                size[t] += std::fabs(terms[t]);
            }
        }
        // a lane takes dim / 16 steps, the halves four more, and a squared difference up to three roundings of its own
        for (int t = 0; t < 4; ++t) CHECK(std::fabs(got[t] - sum[t]) <= (dim / 16.0 + 9) * 0x1p-24 * size[t]);
    }
}

// --- tiles -----------------------------------------------------------------------------------------------------------

void compare_tile(std::uint32_t dim, std::uint32_t n, std::uint32_t k, std::uint64_t seed, bool special) {
    const std::size_t stride = dim + n % 3;
    auto point_values = random_floats(seed, stride * (n - 1) + dim);
    auto vectors = random_floats(seed + 1, std::size_t{k} * dim);
    if (special) sow_specials(point_values, seed);
    if (special) sow_specials(vectors, seed + 1);
    const Guarded<float> points(point_values), blocks(cases::to_blocks(vectors, k, dim));
    const Guarded<float> bias(random_floats(seed + 2, k));
    const Tile tile{points.data(), stride, n, dim, blocks.data(), k, seed % 2 ? bias.data() : nullptr};
    const std::size_t out_stride = k + seed % 4;
    Guarded<float> expected(out_stride * (n - 1) + k), got(expected.size()), score(n), best_score(n);
    Guarded<std::uint32_t> expected_best(n), best(n);
    cases::scalar().tile_dot(tile, expected.data(), out_stride);
    cases::scalar().tile_best(tile, expected_best.data(), best_score.data());
    for (const Kernels* set : cases::fast_sets()) {
        bool same = true;
        std::fill(got.data(), got.data() + got.size(), 0.0f);  // gaps between rows must stay unchanged
        set->tile_dot(tile, got.data(), out_stride);
        for (std::size_t i = 0; i < got.size(); ++i) same = same && same_bits(got[i], expected[i]);
        set->tile_best(tile, best.data(), score.data());
        for (std::uint32_t i = 0; i < n; ++i) {
            same = same && best[i] == expected_best[i] && same_bits(score[i], best_score[i]);
        }
        if (!same) {
            check::report(__FILE__, __LINE__,
                          std::string(set->isa) + " tile dim " + std::to_string(dim) + " n " + std::to_string(n) + " k "
                              + std::to_string(k));
        }
    }
}

TEST("tiles: every set returns the specification's dots and best") {
    std::uint64_t seed = 0;
    for (const std::uint32_t dim : all_dims) {
        for (const std::uint32_t k : sizes(dim)) {
            compare_tile(dim, 1 + k % 9, k, ++seed, false);
            compare_tile(dim, 1 + k % 9, k, ++seed, true);
        }
        for (const std::uint32_t k : {72u, 80u, 256u}) {
            compare_tile(dim, 23, k, ++seed, false);
            compare_tile(dim, 23, k, ++seed, true);
        }
        for (const std::uint32_t n : {1u, 15u, 16u, 37u}) {  // one candidate: lanes may be points
            compare_tile(dim, n, 1, ++seed, false);
            compare_tile(dim, n, 1, ++seed, true);
        }
    }
    compare_tile(384, 130, 70, ++seed, false);  // more points than a group of the blocking
    compare_tile(1024, 41, 70, ++seed, false);
    compare_tile(1, 9000, 33, ++seed, false);
}

TEST("tile_best: the first of many equals, also where lanes are kept apart") {
    for (std::uint32_t dim = 1; dim <= 9; ++dim) {
        std::vector<float> points(std::size_t{7} * dim), vectors(std::size_t{256} * dim);
        for (std::size_t i = 0; i < points.size(); ++i)
            points[i] = static_cast<float>(fewbits::random_below(dim, i, 3)) - 1.0f;
        for (std::size_t i = 0; i < vectors.size(); ++i)
            vectors[i] = static_cast<float>(fewbits::random_below(dim + 1, i, 3)) - 1.0f;
        const std::vector<float> blocks = cases::to_blocks(vectors, 256, dim);
        const Tile tile{points.data(), dim, 7, dim, blocks.data(), 256, nullptr};
        std::uint32_t expected[7], best[7];
        float expected_score[7], score[7];
        cases::scalar().tile_best(tile, expected, expected_score);
        for (const Kernels* set : cases::fast_sets()) {
            set->tile_best(tile, best, score);
            for (std::size_t i = 0; i < 7; ++i) {
                CHECK_EQ(best[i], expected[i]);
                CHECK(same_bits(score[i], expected_score[i]));
            }
        }
    }
}

TEST("tile_best: the first of equals, never a NaN, 0 when all are NaN") {
    for (const Kernels* set : cases::all_sets()) {
        for (const std::uint32_t k : {1u, 7u, 16u, 33u, 70u}) {
            const float point = 1;
            std::vector<float> c(k, 0.5f);
            const Tile tile{&point, 1, 1, 1, c.data(), k, nullptr};
            std::uint32_t best = 99;
            float score = 0;
            set->tile_best(tile, &best, &score);
            CHECK(best == 0 && score == 0.5f);
            c[0] = nan_value;
            set->tile_best(tile, &best, &score);
            CHECK(k == 1 ? best == 0 && score == -infinity : best == 1 && score == 0.5f);
            c[k - 1] = 2;
            set->tile_best(tile, &best, &score);
            CHECK(best == k - 1 && score == 2);
            c.assign(k, nan_value);
            set->tile_best(tile, &best, &score);
            CHECK(best == 0 && score == -infinity);
            c.assign(k, 0.0f);
            c[0] = -0.0f;
            set->tile_best(tile, &best, &score);
            CHECK(best == 0 && score == 0);
        }
        std::uint32_t best = 9;
        float score = 0;
        const float point = 1;
        set->tile_best({&point, 1, 1, 1, nullptr, 0, nullptr}, &best, &score);
        CHECK(best == 0 && score == -infinity);
    }
}

}  // namespace
