// Spilled rows are read back as appended, or in the requested order, and leave no file in the folder.
#include <csignal>
#include <sys/resource.h>

#include "io/advise.h"
#include "io/io_fixture.h"
#include "storage/spill.h"

namespace {

using namespace io_fixture;
using io::Spill;

constexpr std::size_t width = 13;

std::vector<std::uint8_t> row(std::size_t number) {
    std::vector<std::uint8_t> bytes(width);
    for (std::size_t j = 0; j < width; ++j) bytes[j] = static_cast<std::uint8_t>(number * 31 + (number >> 8) * 7 + j);
    return bytes;
}

Spill filled(const Folder& folder, std::size_t n) {
    Spill spill(folder.path(), width);
    std::vector<std::uint8_t> block;
    for (std::size_t i = 0; i < n; ++i) {
        const std::vector<std::uint8_t> bytes = row(i);
        block.insert(block.end(), bytes.begin(), bytes.end());
        if (i % 1000 == 999 || i + 1 == n) {
            spill.append(block);
            block.clear();
        }
    }
    return spill;
}

Spill in_order(const Spill& rows, const std::vector<std::uint32_t>& order, const Folder& folder) {
    const Progress silent;
    ProgressCounter steps(silent, order.size());
    return reordered(rows, order, folder.path(), steps);
}

bool holds(const Array& rows, std::size_t at, std::size_t number) {
    const auto found = rows.bytes.subspan(at * width, width);
    return std::ranges::equal(found, std::as_bytes(std::span<const std::uint8_t>(row(number))));
}

TEST("spill: rows as appended") {
    const Folder folder;
    Array rows;
    {
        const Spill spill = filled(folder, 12345);
        CHECK_EQ(spill.rows(), 12345u);
        CHECK_EQ(spill.row_bytes(), width);
        rows = spill.map();
    }
    CHECK_EQ(folder.entries(), 0u);
    REQUIRE(rows.bytes.size() == 12345 * width);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < 12345; ++i) wrong += !holds(rows, i, i);
    CHECK_EQ(wrong, 0u);
}

TEST("spill: none") {
    const Folder folder;
    const Spill spill(folder.path(), 4);
    CHECK_EQ(spill.rows(), 0u);
    CHECK(spill.map().bytes.empty());
    CHECK_EQ(in_order(spill, {}, folder).rows(), 0u);
}

TEST("spill: reordered, with repeats and omissions") {
    const Folder folder;
    const std::size_t n = 20001;
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < n; ++i) order.push_back(static_cast<std::uint32_t>(i * 7919u % n));
    order.push_back(0);
    order.pop_back();
    order[5] = order[6];
    Array rows;
    {
        const Spill spill = filled(folder, n);
        const Spill result = in_order(spill, order, folder);
        CHECK_EQ(result.rows(), n);
        rows = result.map();
    }
    CHECK_EQ(folder.entries(), 0u);
    REQUIRE(rows.bytes.size() == n * width);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i) wrong += !holds(rows, i, order[i]);
    CHECK_EQ(wrong, 0u);
}

TEST("spill: wrong use and a full disk") {
    const Folder folder;
    CHECK_THROWS(Spill(folder.file("absent"), 4), "absent");
    CHECK_THROWS(Spill(folder.path(), 0), "0 bytes");
    Spill spill = filled(folder, 10);
    CHECK_THROWS(spill.append(std::vector<std::uint8_t>(width + 1)), "whole number of rows");
    const std::vector<std::uint32_t> beyond{3, 10};
    CHECK_THROWS(in_order(spill, beyond, folder), "beyond the last row");

    ::rlimit old_limit{};
    ::getrlimit(RLIMIT_FSIZE, &old_limit);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit limit{4096, old_limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::string message;
    const Outcome what = outcome([&] { filled(folder, 1000); }, &message);
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
    CHECK(what == Outcome::io);
    CHECK(message.find(folder.path()) != std::string::npos);
    CHECK_EQ(folder.entries(), 0u);
}

TEST("spill: advice changes nothing") {
    const Folder folder;
    const Array rows = filled(folder, 5000).map();
    const auto* base = reinterpret_cast<const std::uint8_t*>(rows.bytes.data());
    const std::vector<std::uint32_t> ascending{0, 1, 2, 500, 501, 4999}, unsorted{4999, 3, 1000};
    io::advise_rows(base, width, ascending);
    io::advise_rows(base, width, unsorted);
    io::advise_rows(base, width, {});
    io::advise_random({});
    CHECK(holds(rows, 4999, 4999) && holds(rows, 500, 500));
}

}  // namespace
