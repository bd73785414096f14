// Arithmetic of sizes that would wrap, and numbers of rows that 32 bits cannot count, are errors.
#include <cstdint>
#include <limits>

#include "base/matrix.h"
#include "base/row_count.h"
#include "check.h"

using namespace fewbits;

TEST("sizes: products and sums that wrap are errors, the largest that do not are right") {
    constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
    CHECK_EQ(checked_mul(largest / 3, 3), largest);
    CHECK_THROWS(checked_mul(largest / 3 + 1, 3), "size overflow");
    CHECK_EQ(checked_add(largest - 7, 7), largest);
    CHECK_THROWS(checked_add(largest - 7, 8), "size overflow");
}

TEST("sizes: a number of rows has 32 bits, and 2^32 - 1 is none") {
    CHECK_EQ(row_count(0, "x"), 0u);
    CHECK_EQ(row_count(0xfffffffe, "x"), 0xfffffffeu);
    for (const std::uint64_t n : {std::uint64_t{0xffffffff}, std::uint64_t{1} << 32, ~std::uint64_t{0}})
        CHECK_THROWS(row_count(n, "x"), "expected at most 2^32 - 2");
    try {
        row_count(0xffffffff, "array 'rows'", ErrorKind::corrupt);
        CHECK(false);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::corrupt);
    }
}
