// Files that are valid as files (all checksums are right) but hold numbers that no training produces: each param at its
// extremes; each array cut, grown, of another dtype, missing, or with extreme values. They are rejected, or are an
// index that works, and opening takes no more memory than a small multiple of the file's size.
#include <cstdlib>
#include <functional>
#include <limits>

#include "allocations.h"
#include "base/random.h"
#include "exercise.h"
#include "golden.h"

using namespace fewbits;

namespace {

// Without FEWBITS_LONG, every seventh case: 7 is coprime to the 25 values per param, so each value is tried somewhere.
const bool every_case = std::getenv("FEWBITS_LONG") != nullptr;

struct Counts {
    std::size_t seen = 0, tried = 0, opened = 0;
};

void try_parts(const Parts& parts, const std::string& what, Counts& counts) {
    if (counts.seen++ % 7 != 0 && !every_case) return;
    const std::vector<std::byte> file = write_bytes(parts);
    ++counts.tried;
    counts.opened += exercise::opens(file, what);
}

std::vector<std::uint64_t> extremes_beside(std::uint64_t value) {
    std::vector<std::uint64_t> all = {0, 1, 2, 3, 4, 5, 6, 8, 16, 32, value + 1, value - 1, 2 * value, 65535, 65536};
    for (const unsigned bit : {20u, 31u, 32u, 62u, 63u}) all.push_back(std::uint64_t{1} << bit);
    for (const std::uint64_t high : {0xfffffffeull, 0xffffffffull, (1ull << 32) + value, ~0ull}) all.push_back(high);
    return all;
}

Array changed(const Array& array, const std::function<void(std::vector<std::byte>&)>& change) {
    auto bytes = std::make_shared<std::vector<std::byte>>(array.bytes.begin(), array.bytes.end());
    change(*bytes);
    return {array.dtype, *bytes, bytes};
}

// Writes values that are extreme for the dtype of the array.
template <class T>
void try_values(const Parts& parts, const std::string& name, std::initializer_list<T> values, Counts& counts) {
    const Array& array = parts.arrays.at(name);
    const std::size_t n = array.bytes.size() / sizeof(T), step = std::max<std::size_t>(1, n / 5);
    for (const T value : values)
        for (std::size_t at = 0; at < n; at += step) {
            Parts bad = parts;
            bad.arrays[name] = changed(array, [&](std::vector<std::byte>& bytes) {
                std::memcpy(bytes.data() + at * sizeof(T), &value, sizeof value);
            });
            try_parts(bad, name + "[" + std::to_string(at) + "] = " + std::to_string(value), counts);
        }
}

void try_values(const Parts& parts, const std::string& name, Counts& counts) {
    using Float = std::numeric_limits<float>;
    switch (parts.arrays.at(name).dtype) {
        case DType::f32:
            return try_values<float>(parts, name,
                                     {Float::quiet_NaN(), Float::infinity(), -Float::infinity(), Float::max(),
                                      -Float::max(), Float::denorm_min(), 0.0f, -1.0f},
                                     counts);
        case DType::f16:
        case DType::u16:
            return try_values<std::uint16_t>(parts, name, {0x7c00, 0x7e00, 0xfc00, 0xfbff, 0}, counts);
        case DType::u8:
        case DType::i8:
            return try_values<std::uint8_t>(parts, name, {0, 127, 128, 255}, counts);
        case DType::u32:
            return try_values<std::uint32_t>(parts, name, {0, 1, 0x7fffffff, 0x80000000, 0xffffffff}, counts);
        case DType::u64:
            return try_values<std::uint64_t>(parts, name, {0, 1, 0xffffffff, 1ull << 63, ~0ull}, counts);
        case DType::i64:
            return try_values<std::int64_t>(
                parts, name,
                {0, -1, 1ll << 62, std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()},
                counts);
    }
}

}  // namespace

TEST("hostile parts: every param at its extremes, checksums right") {
    {
        const allocations::Peak peak;
        const std::vector<std::byte> bytes(100'000);
        REQUIRE(peak.bytes() >= bytes.size());  // to show that measuring works
    }
    Counts counts;
    for (const golden::File& file : golden::files()) {
        const Parts parts = read_bytes(golden::bytes_of(file));
        for (const auto& [name, value] : parts.params) {
            if (name == "format") continue;  // the writer checks it, and the reader also has it in the header
            Parts without = parts;
            without.params.erase(name);
            try_parts(without, file.name + " without " + name, counts);
            for (const std::uint64_t extreme : extremes_beside(value)) {
                Parts bad = parts;
                bad.params[name] = extreme;
                try_parts(bad, file.name + " " + name + " = " + std::to_string(extreme), counts);
            }
        }
    }
    CHECK(counts.tried > 3000u / (every_case ? 1 : 7));
    CHECK(counts.opened > 0 && counts.opened < counts.tried);
    std::printf("params changed: %zu files, %zu of them an index\n", counts.tried, counts.opened);
}

TEST("hostile parts: no file has a format that does not exist") {
    Parts parts = read_bytes(golden::bytes_of(golden::files().front()));
    for (const std::uint64_t major : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{65537}, ~std::uint64_t{0}}) {
        parts.params["format"] = major;
        CHECK_THROWS(write_bytes(parts), "expected 1..2");
    }
}

TEST("hostile parts: a default that there is not") {
    Parts bad = read_bytes(golden::bytes_of(golden::files().front()));
    bad.params["default.other"] = 1;
    CHECK(!exercise::opens(write_bytes(bad), "default.other"));
}

TEST("hostile parts: arrays cut, grown, of another dtype, gone, and with values at their extremes") {
    Counts counts;
    for (const golden::File& file : golden::files()) {
        const Parts parts = read_bytes(golden::bytes_of(file));
        for (const auto& [name, array] : parts.arrays) {
            Parts bad = parts;
            bad.arrays.erase(name);
            try_parts(bad, file.name + " without " + name, counts);
            const std::size_t width = dtype_bytes(array.dtype), bytes = array.bytes.size();
            for (const std::size_t size :
                 {std::size_t{0}, bytes / width / 2 * width, bytes - width, bytes + width, 2 * bytes}) {
                bad.arrays[name] = changed(array, [&](std::vector<std::byte>& all) { all.resize(size); });
                try_parts(bad, file.name + " " + name + " of " + std::to_string(size) + " bytes", counts);
            }
            for (std::uint32_t dtype = 1; dtype <= 8; ++dtype) {
                bad.arrays[name] = array;
                bad.arrays[name].dtype = static_cast<DType>(dtype);
                if (bytes % dtype_bytes(bad.arrays[name].dtype) == 0)
                    try_parts(bad, file.name + " " + name + " as " + dtype_name(bad.arrays[name].dtype), counts);
            }
            if (bytes > 0) try_values(parts, name, counts);
        }
    }
    CHECK(counts.tried > 2000u / (every_case ? 1 : 7));
    CHECK(counts.opened > 0 && counts.opened < counts.tried);
    std::printf("arrays changed: %zu files, %zu of them an index\n", counts.tried, counts.opened);
}

TEST("hostile parts: random damage to files of every kind, checksums right") {
    const std::size_t rounds = every_case ? 20'000 : 250;
    std::uint64_t draw = 0;
    const auto random = [&](std::size_t below) { return static_cast<std::size_t>(random_bits(3, draw++) % below); };
    Counts counts;
    for (const golden::File& file : golden::files())
        for (std::size_t round = 0; round < rounds; ++round, ++counts.tried) {
            io_fixture::Bytes bad = file.bytes;
            for (std::size_t change = 0; change <= random(4); ++change)
                bad[16 + random(bad.size() - 16)] = static_cast<unsigned char>(random(256));
            io_fixture::seal(bad);
            counts.opened += exercise::opens(std::as_bytes(std::span(bad)), file.name);
        }
    std::printf("damaged: %zu files, %zu of them an index\n", counts.tried, counts.opened);
}

TEST("hostile parts: every cut and every flipped bit of a file of every kind is noticed") {
    const std::size_t step = every_case ? 1 : 11;
    std::size_t flips = 0, cuts = 0, missed = 0;
    const auto refused = [](std::span<const std::byte> file) {
        try {
            read_bytes(file);
            return false;
        } catch (const Error& error) {
            return error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::version;
        }
    };
    for (const golden::File& file : golden::files()) {
        io_fixture::Bytes bad = file.bytes;
        const auto bytes = std::as_bytes(std::span(bad));
        for (std::size_t at = 0; at < bad.size(); at += step, ++cuts) missed += !refused(bytes.first(at));
        for (std::size_t flip = 0; flip < 8 * bad.size(); flip += every_case ? 1 : 8 * step + 1, ++flips) {
            unsigned char& byte = bad[flip / 8];
            const unsigned char was = byte;
            byte = static_cast<unsigned char>(was ^ 1 << flip % 8);
            missed += !refused(bytes);
            byte = was;
        }
        CHECK(!refused(bytes));
    }
    CHECK_EQ(missed, 0u);
    std::printf("noticed: %zu flipped bits, %zu cuts\n", flips, cuts);
}
