// Entries of second lists, as a file has them: what does not name every row at most once, in another list, is refused.
#include "check.h"
#include "index/models.h"

using namespace fewbits;
using namespace fewbits::test;

TEST("second lists: entries out of order, twice, in their first list or beyond the last row are refused") {
    CodeLayout layout;
    layout.element_bits = 32;
    layout.elements = 1;
    const auto lists_of = [](std::vector<std::uint64_t> ends, std::size_t n_rows) {
        Parts parts;
        parts.arrays["lists"] = array_of(std::move(ends));
        parts.arrays["codes"] = array_of(std::vector<std::uint8_t>(4 * n_rows));
        return parts;
    };
    const Parts of_first = lists_of({0, 3, 5, 10}, 10);
    const CodeLists first(layout, of_first, 3, 10);
    const auto entries = [&](std::vector<std::uint64_t> ends, std::vector<std::uint32_t> rows) {
        Parts parts = lists_of(std::move(ends), rows.size());
        parts.arrays["rows"] = array_of(rows);
        return SecondEntries(layout, parts, 3, first).rows.size();
    };
    CHECK_EQ(entries({0, 2, 4, 6}, {3, 9, 2, 5, 0, 4}), 6u);  // next to the rows of their first lists
    CHECK_EQ(entries({0, 0, 0, 0}, {}), 0u);
    CHECK_THROWS(entries({0, 1, 1, 1}, {10}), "second: array 'rows': expected rows below 10");
    CHECK_THROWS(entries({0, 2, 2, 2}, {5, 4}), "got 4 in list 0");
    CHECK_THROWS(entries({0, 2, 2, 2}, {4, 4}), "got 4 in list 0");
    CHECK_THROWS(entries({0, 1, 2, 2}, {5, 5}), "got 5 in list 1");
    for (const std::uint32_t row : {0u, 2u}) CHECK_THROWS(entries({0, 1, 1, 1}, {row}), "in list 0");
    for (const std::uint32_t row : {3u, 4u}) CHECK_THROWS(entries({0, 0, 1, 1}, {row}), "in list 1");
}
