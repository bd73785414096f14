// Rows that are not valid vectors, compared with the definition.
#include <cmath>
#include <limits>
#include <vector>

#include "base/rows.h"
#include "check.h"

using namespace fewbits;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::ptrdiff_t first_bad(std::vector<float> row, const RowRule& rule) {
    std::vector<float> rows(row.size(), 1.0f);  // a valid row before it
    rows.insert(rows.end(), row.begin(), row.end());
    return first_bad_row({rows.data(), 2, row.size()}, rule);
}

}  // namespace

TEST("rows: values that are not finite, in every place") {
    for (const std::size_t dim : {1u, 3u, 8u, 31u, 64u})
        for (std::size_t at = 0; at < dim; ++at)
            for (const float bad : {infinity, -infinity, not_a_number, -not_a_number}) {
                std::vector<float> row(dim, -2.0f);
                CHECK_EQ(first_bad(row, {}), -1);
                row[at] = bad;
                for (const bool nonzero : {false, true}) CHECK_EQ(first_bad(row, {nonzero, 1e30}), 1);
            }
}

TEST("rows: zeros, and the smallest that is none") {
    CHECK_EQ(first_bad({0, -0.0f, 0}, {}), -1);
    CHECK_EQ(first_bad({0, -0.0f, 0}, {true}), 1);
    CHECK_EQ(first_bad({0, -std::numeric_limits<float>::denorm_min(), 0}, {true}), -1);
}

TEST("rows: the longest is good, and a bit more is not") {
    const double longest = 0x1p62;
    for (const std::size_t dim : {1u, 4u, 16u, 1024u}) {
        const auto value = static_cast<float>(longest / std::sqrt(static_cast<double>(dim)));  // a power of two
        std::vector<float> row(dim, -value);
        CHECK_EQ(first_bad(row, {false, longest}), -1);
        row.back() = std::nextafter(value, infinity);
        CHECK_EQ(first_bad(row, {false, longest}), 1);
    }
    CHECK_EQ(first_bad({0, 3e18f, 0}, {false, longest}), -1);  // long, but only one value is large
    CHECK_EQ(first_bad({3.4e38f, 3.4e38f}, {false, longest}), 1);
    CHECK_EQ(first_bad({3.4e38f, 3.4e38f}, {}), -1);
    CHECK_EQ(first_bad_row({nullptr, 0, 8}, {true, longest}), -1);
}
