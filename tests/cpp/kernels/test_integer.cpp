// Integer scans: the same hits, rows, scores and order as the oracle, bit for bit, on every instruction set.
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "check.h"
#include "integer_cases.h"

using namespace integer_cases;
using kernel_cases::available;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

constexpr std::uint32_t element_counts[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 255, 256, 257, 600};

std::vector<std::uint32_t> vector_counts() {
    std::vector<std::uint32_t> counts;
    for (std::uint32_t n = 0; n <= 70; ++n) counts.push_back(n);
    counts.insert(counts.end(), {95, 96, 97, 1000});
    return counts;
}

bool same_hits(const ScanQuery& query, const std::vector<Hit>& expected) {
    return query.count == expected.size()
           && (expected.empty() || std::memcmp(query.hits, expected.data(), expected.size() * sizeof(Hit)) == 0);
}

void report(const List& list, const char* isa, std::uint32_t q, const char* what) {
    std::ostringstream text;
    text << list.kind.name << " on " << isa << ", " << what << ": n " << list.n << ", m " << list.m << ", query " << q
         << " of " << list.queries.size() << ": " << list.queries[q].count << " hits, expected "
         << list.expected(q).size();
    check::report(__FILE__, __LINE__, text.str());
}

// Every instruction set gives exactly the oracle's hits. Hits are appended, so a second scan adds its hits after them.
void check_scan(List& list, const char* what) {
    list.scan.queries = list.queries.data();
    std::vector<std::vector<Hit>> expected;
    for (std::uint32_t q = 0; q < list.queries.size(); ++q) expected.push_back(list.expected(q));
    for (const Kernels* kernels : available()) {
        for (ScanQuery& query : list.queries) query.count = 0;
        list.kind.kernel (*kernels)(list.scan);
        for (std::uint32_t q = 0; q < list.queries.size(); ++q)
            if (!same_hits(list.queries[q], expected[q])) report(list, kernels->isa, q, what);
    }
}

// Thresholds that some vector meets exactly, to detect comparisons that use > or are off by one bit.
void set_thresholds(List& list) {
    for (std::uint32_t q = 0; q < list.queries.size(); ++q)
        list.queries[q].threshold = list.n == 0 ? 0 : list.score(list.queries[q], q, list.random.below(list.n));
}

// Thresholds just above the score of a vector.
void raise_thresholds(List& list) {
    for (ScanQuery& query : list.queries) query.threshold = std::nextafter(query.threshold, infinity);
}

}  // namespace

TEST("integer scans: every n and m, all vectors and ties at the threshold") {
    for (const Kind& kind : kinds) {
        for (const std::uint32_t m : element_counts) {
            for (const std::uint32_t n : vector_counts()) {
                List list(kind, n, m, 1 + (n + m) % 3, Fill::random, n * 1000 + m);
                check_scan(list, "all");
                set_thresholds(list);
                check_scan(list, "ties");
                raise_thresholds(list);
                check_scan(list, "just above");
            }
        }
    }
}

TEST("integer scans: any number of queries, also beyond one pass") {
    for (const Kind& kind : kinds) {
        for (const std::uint32_t n_queries : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 31u, 32u, 33u, 67u}) {
            for (const std::uint32_t n : {1u, 31u, 32u, 77u}) {
                for (const std::uint32_t m : {5u, 96u, 300u}) {
                    List list(kind, n, m, n_queries, Fill::random, n_queries * 7919 + n + m);
                    set_thresholds(list);
                    check_scan(list, "queries");
                }
            }
        }
    }
}

// Entries that are small enough may be added as bytes.
TEST("integer scans: tables of small entries, in all queries or in all but one") {
    for (const Kind& kind : kinds) {
        if (!kind.is_table) continue;
        for (const std::uint32_t n_queries : {1u, 3u, 8u, 11u}) {
            for (const std::uint32_t n : {5u, 33u, 97u}) {
                for (const std::uint32_t m : {1u, 4u, 7u, 8u, 9u, 23u, 96u}) {
                    for (const Fill fill : {Fill::small, Fill::full}) {
                        List list(kind, n, m, n_queries, fill, n * 1000 + m);
                        set_thresholds(list);
                        check_scan(list, "small entries");
                    }
                }
            }
        }
    }
}

// Many queries over a long list may use another method than a few over a short one.
TEST("integer scans: many queries over long lists") {
    for (const Kind& kind : kinds) {
        for (const std::uint32_t n : {300u, 1024u, 1030u}) {
            for (const std::uint32_t m : {5u, 16u, 256u, 257u}) {
                List list(kind, n, m, n == 300 ? 39 : 5, m == 256 ? Fill::largest : Fill::random, n + m);
                check_scan(list, "all");
                if (n == 300) list.set_factors(m != 5, m != 16);
                if (n != 1024) list.set_allow(17);
                set_thresholds(list);
                check_scan(list, "ties");
                raise_thresholds(list);
                check_scan(list, "just above");
            }
        }
    }
}

TEST("integer scans: extreme sums are exact") {
    for (const Kind& kind : kinds) {
        for (const Fill fill : {Fill::zero, Fill::largest, Fill::smallest}) {
            for (const std::uint32_t m : {1u, 2u, 255u, 256u, 257u, 258u, 512u, 513u, 600u, 2561u}) {
                for (const std::uint32_t n : {1u, 3u, 32u, 39u}) {
                    List list(kind, n, m, 3, fill, m);
                    check_scan(list, "extreme, all");
                    set_thresholds(list);
                    check_scan(list, "extreme, ties");
                    raise_thresholds(list);
                    check_scan(list, "extreme, none");
                }
            }
        }
    }
}

TEST("integer scans: factors and bitmaps at any row") {
    for (const Kind& kind : kinds) {
        for (const std::uint32_t n : {1u, 7u, 8u, 9u, 31u, 32u, 33u, 47u, 70u, 97u, 300u}) {
            for (const std::uint32_t m : {3u, 64u, 257u}) {
                for (int with = 0; with < 8; ++with) {
                    List list(kind, n, m, 3, Fill::random, n * 100 + m);
                    list.set_factors((with & 1) != 0, (with & 2) != 0);
                    list.scan.first_row = 11;
                    if ((with & 4) != 0) list.set_allow(with + n % 13);
                    check_scan(list, "factors, all");
                    set_thresholds(list);
                    check_scan(list, "factors, ties");
                }
            }
        }
    }
}

TEST("integer scans: infinities and NaN") {
    for (const Kind& kind : kinds) {
        for (const float threshold : {-infinity, infinity, nan_value, 0.0f}) {
            List list(kind, 75, 40, 3, Fill::random, 5);
            for (ScanQuery& query : list.queries) query.threshold = threshold;
            check_scan(list, "plain");
            list.queries[0].offset = infinity;
            list.queries[1].constant = nan_value;
            list.queries[2].constant = -infinity;
            check_scan(list, "no finite constants");
            list.set_factors(true, true);
            for (std::uint32_t v = 0; v < list.n; v += 5) list.a()[v] = nan_value;
            for (std::uint32_t v = 2; v < list.n; v += 5) list.b()[v] = infinity;
            for (std::uint32_t v = 3; v < list.n; v += 5) list.b()[v] = -infinity;
            check_scan(list, "no finite factors");
        }
    }
}

// An early comparison of integers must not lose a hit if the float score rounds coarsely, overflows or is subnormal.
TEST("integer scans: scales and offsets that round hard") {
    struct Numbers {
        float scale, offset, constant;
    };
    constexpr Numbers numbers[] = {{1e-3f, 1e6f, -1e6f},   {1e-6f, -3.0f, 3.0f},      {1.0f, 16777216.0f, 0},
                                   {1e-42f, 0, 0},         {1e-42f, 1e-40f, -1e-40f}, {3e34f, 0, 0},
                                   {3e36f, 1e38f, -3e38f}, {1e30f, 1e36f, -1e36f},    {0.1f, -0.7f, 1e9f},
                                   {1e-10f, 5.0f, -5.0f},  {1e-38f, 1e-38f, 1e-38f}};
    for (const Kind& kind : kinds) {
        for (const Numbers& with : numbers) {
            for (const std::uint32_t m : {4u, 64u, 256u, 300u}) {
                List list(kind, 97, m, 2, Fill::random, m);
                for (ScanQuery& query : list.queries) {
                    query.scale = with.scale;
                    query.offset = with.offset;
                    query.constant = with.constant;
                }
                for (int repeat = 0; repeat < 20; ++repeat) {
                    set_thresholds(list);
                    check_scan(list, "rounding, ties");
                    raise_thresholds(list);
                    check_scan(list, "rounding, just above");
                }
            }
        }
    }
}

// A product that overflows to infinity is a hit even if exact arithmetic would not reach the threshold.
TEST("integer scans: products that overflow a float") {
    for (const Kind& kind : kinds) {
        List list(kind, 97, 64, 2, Fill::random, 3);
        for (std::uint32_t q = 0; q < 2; ++q) {
            const auto largest = *std::max_element(list.sums[q].begin(), list.sums[q].end());
            list.queries[q].scale = static_cast<float>(4e38 / static_cast<double>(largest));
            list.queries[q].offset = 0;
            list.queries[q].constant = -3e38f;
            list.queries[q].threshold = 3e38f;
            CHECK(!list.expected(q).empty());
        }
        check_scan(list, "overflow");
    }
}

TEST("integer scans: a list in parts, appended, is the list") {
    for (const Kind& kind : kinds) {
        List list(kind, 97, 33, 2, Fill::random, 77);
        for (const Kernels* kernels : available()) {
            for (ScanQuery& query : list.queries) query.count = 0;
            for (const std::uint32_t first : {0u, 64u}) {
                Scan part = list.scan;
                part.codes += fewbits::kernels::blocks_bytes(kind.element_bits, list.m, first);
                part.first_row += first;
                part.n = first == 0 ? 64 : list.n - first;
                kind.kernel (*kernels)(part);
            }
            for (std::uint32_t q = 0; q < 2; ++q) CHECK(same_hits(list.queries[q], list.expected(q)));
        }
    }
}

TEST("max_dot4, max_dot8: thresholds rise to the best score that dot4, dot8 would give") {
    const Kind of[] = {{"max_dot4", [](const Kernels& k) { return k.max_dot4; }, 4, 1, 16, false},
                       {"max_dot8", [](const Kernels& k) { return k.max_dot8; }, 8, 1, 0, false}};
    for (const Kind& kind : of) {
        for (const std::uint32_t n : {0u, 1u, 2u, 7u, 8u, 9u, 31u, 32u, 33u, 63u, 65u, 127u}) {
            for (const std::uint32_t m : {1u, 3u, 4u, 5u, 8u, 31u, 128u, 257u, 260u}) {
                constexpr Fill fills[] = {Fill::random, Fill::small, Fill::full};
                List list(kind, n, m, 1 + (n + m) % 5, fills[(n + m) % 3], n * 1000 + m);
                list.set_factors(n % 3 != 0, n % 2 == 0);
                if (m % 2) list.set_allow(n % 13);
                if (n > 4) list.a()[3] = nan_value;
                std::vector<float> expected;
                for (std::uint32_t q = 0; q < list.queries.size(); ++q) {
                    if (q == 1) list.queries[q].threshold = 1e9f;  // no vector reaches it
                    expected.push_back(list.queries[q].threshold);
                    for (const Hit& hit : list.expected(q)) expected[q] = std::max(expected[q], hit.score);
                }
                const std::vector<ScanQuery> before = list.queries;
                for (const Kernels* kernels : available()) {
                    list.queries = before;
                    list.scan.queries = list.queries.data();
                    kind.kernel (*kernels)(list.scan);
                    for (std::uint32_t q = 0; q < list.queries.size(); ++q) {
                        CHECK_EQ(list.queries[q].threshold, expected[q]);
                        CHECK_EQ(list.queries[q].count, 0u);
                    }
                }
            }
        }
    }
}
