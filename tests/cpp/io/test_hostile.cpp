// Reading trusts nothing: any file is read as it was written, or rejected with an Error.
#include <cerrno>
#include <functional>
#include <set>

#include "io_fixture.h"

namespace {

using namespace io_fixture;

Bytes small_file(const Folder& folder) {
    write_file(folder.file("good"), small_parts());
    return slurp(folder.file("good"));
}

Outcome read_outcome(const std::string& path, Verify verify = Verify::trusted, bool mapped = true) {
    return outcome([&] { read_file(path, mapped, verify); });
}

bool refused(Outcome what) {
    return what == Outcome::corrupt || what == Outcome::version;
}

TEST("hostile: cut at every length, and lengthened") {
    const Folder folder;
    const Bytes good = small_file(folder);
    for (std::size_t length = 0; length < good.size(); ++length) {
        dump(folder.file("a"), Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)));
        CHECK(outcome([&] { inspect_file(folder.file("a")); }) == Outcome::corrupt);
        CHECK(read_outcome(folder.file("a"), Verify::trusted, length % 2 == 0) == Outcome::corrupt);
    }
    Bytes longer = good;
    longer.push_back(0);
    dump(folder.file("a"), longer);
    CHECK(read_outcome(folder.file("a")) == Outcome::corrupt);
}

TEST("hostile: every bit of every byte flipped") {
    const Folder folder;
    const Bytes good = small_file(folder);
    std::vector<bool> trusted(good.size(), true);  // whether opening must notice the change
    const FileInfo info = inspect_file(folder.file("good"));
    for (const SectionInfo& section : info.sections)
        if (section.bulk)
            for (std::uint64_t i = section.offset; i < io::next_offset(section.offset + section.bytes); ++i)
                trusted[i] = false;
    std::size_t flips = 0, missed = 0;
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int bit = 0; bit < 8; ++bit, ++flips) {
            Bytes bad = good;
            bad[at] = static_cast<unsigned char>(bad[at] ^ (1 << bit));
            dump(folder.file("a"), bad);
            missed += !refused(outcome([&] { verify_file(folder.file("a")); }));
            missed += !refused(read_outcome(folder.file("a"), Verify::all, false));
            missed += trusted[at] != refused(read_outcome(folder.file("a")));
        }
    CHECK_EQ(missed, 0u);
    CHECK_EQ(flips, good.size() * 8);
}

TEST("hostile: every integer of header and table at its extremes, checksums right") {
    const Folder folder;
    Bytes good = small_file(folder);
    const std::size_t head = sizeof(io::Header) + table_of(good).size_bytes();
    constexpr std::uint64_t one = 1;
    for (const std::size_t width : {4, 8})
        for (std::size_t at = 0; at < head; at += width) {
            std::uint64_t was = 0;
            std::memcpy(&was, good.data() + at, width);
            for (const std::uint64_t value : {one - 1, one, one << 31, (one << 32) - 1, one << 40, one << 63, ~one,
                                              ~one - 62, was + 1, was - 1, was + 64, was - 64}) {
                Bytes bad = good;
                std::memcpy(bad.data() + at, &value, width);
                seal(bad);
                dump(folder.file("a"), bad);
                const Outcome all = read_outcome(folder.file("a"), Verify::all);
                CHECK(all == Outcome::ok || refused(all));
                CHECK(read_outcome(folder.file("a"), Verify::trusted, false) == all);
                // Another minor version, name, dtype of the same width, bulk flag, or length within the padding makes
                // another valid file.
                const std::size_t field = at % sizeof(io::Entry);
                const bool free = at == offsetof(io::Header, major)
                                  || (at >= sizeof(io::Header)
                                      && (field < offsetof(io::Entry, offset) || field == offsetof(io::Entry, bytes)));
                CHECK(bad == good || all != Outcome::ok || free);
            }
        }
}

TEST("hostile: table attacks") {
    const Folder folder;
    const Bytes good = small_file(folder);
    const auto attack = [&](const std::function<void(Bytes&)>& change) {
        Bytes bad = good;
        change(bad);
        seal(bad);
        dump(folder.file("a"), bad);
        std::string message;
        const Outcome what = outcome([&] { read_file(folder.file("a"), true, Verify::trusted); }, &message);
        CHECK(what == Outcome::corrupt);
        CHECK(message.starts_with(folder.file("a") + ": "));
        return message;
    };
    const auto says = [](const std::string& message, const char* text) {
        if (message.find(text) == std::string::npos) check::report(__FILE__, __LINE__, "message: " + message);
    };
    says(attack([](Bytes& f) { std::swap(table_of(f)[0], table_of(f)[1]); }), "expected at offset");
    says(attack([](Bytes& f) { std::memcpy(table_of(f)[1].name, table_of(f)[0].name, 32); }), "ascending order");
    says(attack([](Bytes& f) { entry_of(f, "seg0.codes").offset -= 64; }), "section 'seg0.codes' at offset");
    says(attack([](Bytes& f) { entry_of(f, "seg0.codes").bytes = std::uint64_t{1} << 40; }), "beyond the end");
    says(attack([](Bytes& f) { entry_of(f, "seg0.codes").bytes = ~std::uint64_t{0}; }), "beyond the end");
    says(attack([](Bytes& f) { entry_of(f, "codec.mean").bytes -= 1; }), "not a multiple of f32");
    for (const std::uint32_t dtype : {0u, 9u}) {
        const std::string message = attack([dtype](Bytes& f) { entry_of(f, "words").dtype = dtype; });
        says(message, "section 'words' at offset");
        says(message, ("unknown dtype " + std::to_string(dtype)).c_str());
    }
    says(attack([](Bytes& f) { entry_of(f, "words").flags = 2; }), "unknown flags 2");
    says(attack([](Bytes& f) { entry_of(f, "words").reserved = 1; }), "reserved");
    says(attack([](Bytes& f) { entry_of(f, "words").name[0] = 'W'; }), "invalid name");
    says(attack([](Bytes& f) { entry_of(f, "words").name[9] = 'x'; }), "invalid name");
    says(attack([](Bytes& f) { std::memset(entry_of(f, "words").name, 'w', 32); }), "invalid name");
    says(attack([](Bytes& f) { std::memset(entry_of(f, "words").name, 0, 32); }), "invalid name");
    says(attack([](Bytes& f) { entry_of(f, "params").name[5] = 'r'; }), "section 'params' is missing");
    says(attack([](Bytes& f) { entry_of(f, "params").dtype = 2; }), "not param records");
    says(attack([](Bytes& f) { f[entry_of(f, "params").offset] = '-'; }), "invalid param name");
    says(attack([](Bytes& f) { f[entry_of(f, "params").offset] = 'z'; }), "ascending order");
    says(attack([](Bytes& f) {
             unsigned char* params = f.data() + entry_of(f, "params").offset;
             std::memcpy(params + sizeof(io::Param), params, sizeof(io::Param::name));
         }),
         "ascending order");
    says(attack([](Bytes& f) {
             f.resize(f.size() + io::alignment);
             header_of(f).file_bytes = f.size();
         }),
         "the sections end at offset");
    says(attack([](Bytes& f) { header_of(f).sections -= 1; }), "");
    says(attack([](Bytes& f) { header_of(f).sections = 0xFFFFFFFF; }), "do not fit");
    says(attack([](Bytes& f) { header_of(f).file_bytes += 1; }), "the file has");
    says(attack([](Bytes& f) { header_of(f).reserved[27] = 1; }), "reserved");
    says(attack([](Bytes& f) { header_of(f).magic[1] = 'X'; }), "not a fewbits file");
    says(attack([](Bytes& f) { header_of(f).endian = 0x04030201; }), "little endian");
}

TEST("hostile: checksum errors name section and offset") {
    const Folder folder;
    Bytes bad = small_file(folder);
    const std::uint64_t offset = entry_of(bad, "seg0.codes").offset;
    bad[offset + 64] ^= 1;
    dump(folder.file("a"), bad);
    read_file(folder.file("a"), true, Verify::trusted);
    const std::string expected = "section 'seg0.codes' at offset " + std::to_string(offset) + ": checksum mismatch";
    CHECK_THROWS(verify_file(folder.file("a")), expected.c_str());
    bad[offset + 64] ^= 1;
    bad[offset + 66] ^= 1;
    dump(folder.file("a"), bad);
    CHECK_THROWS(verify_file(folder.file("a")), "section 'seg0.codes' at offset");
    CHECK_THROWS(verify_file(folder.file("a")), "padding");
}

TEST("hostile: params are checked when the file is opened, though they be marked as bulk") {
    const Folder folder;
    Bytes file = small_file(folder);
    entry_of(file, "params").flags = 1;
    seal(file);
    dump(folder.file("a"), file);
    CHECK(read_file(folder.file("a"), true, Verify::trusted).params == small_parts().params);
    file[entry_of(file, "params").offset + sizeof(io::Param::name)] ^= 1;
    dump(folder.file("a"), file);
    CHECK_THROWS(read_file(folder.file("a"), true, Verify::trusted), "section 'params' at offset");
}

TEST("hostile: versions") {
    const Folder folder;
    Bytes file = small_file(folder);
    header_of(file).minor = 7;
    seal(file);
    dump(folder.file("a"), file);
    CHECK_EQ(inspect_file(folder.file("a")).minor, 7u);
    header_of(file).major = 3;
    dump(folder.file("a"), file);  // another major version may have another header, so its checksum is not verified
    CHECK(read_outcome(folder.file("a")) == Outcome::version);
    CHECK_THROWS(read_file(folder.file("a"), true, Verify::all),
                 "format version 3.7, this build reads versions up to 2");
}

TEST("hostile: a huge file of holes costs neither time nor memory") {
    const Folder folder;
    dump(folder.file("a"), small_file(folder));
    fs::resize_file(folder.file("a"), std::uintmax_t{1} << 42);
    CHECK(read_outcome(folder.file("a")) == Outcome::corrupt);
    CHECK(read_outcome(folder.file("a"), Verify::all, false) == Outcome::corrupt);
}

TEST("hostile: offsets beyond 4 GiB") {
    const Folder folder;
    Bytes file = small_file(folder);
    // seg0.codes becomes a hole of 5 GiB; everything after it moves.
    const std::uint64_t hole = std::uint64_t{5} << 30, at = entry_of(file, "seg0.codes").offset;
    const std::uint64_t shift = hole - io::next_offset(entry_of(file, "seg0.codes").bytes);
    entry_of(file, "seg0.codes").bytes = hole;
    header_of(file).file_bytes += shift;
    for (io::Entry& entry : table_of(file))
        if (entry.offset > at) entry.offset += shift;
    header_of(file).table_checksum = io::crc32(std::as_bytes(std::span<const io::Entry>(table_of(file))));
    header_of(file).checksum = io::crc32(std::as_bytes(std::span(file)).first(60));
    const auto tail = static_cast<std::ptrdiff_t>(at + 128);
    dump(folder.file("a"), Bytes(file.begin(), file.begin() + tail));
    fs::resize_file(folder.file("a"), at + hole);
    {
        std::ofstream out(folder.file("a"), std::ios::binary | std::ios::app);
        out.write(reinterpret_cast<const char*>(file.data()) + tail, static_cast<std::streamsize>(file.size()) - tail);
    }
    const Parts parts = read_file(folder.file("a"), true, Verify::trusted);
    CHECK_EQ(parts.arrays.at("seg0.codes").bytes.size(), hole);
    CHECK(std::ranges::equal(parts.arrays.at("words").bytes, small_parts().arrays.at("words").bytes));
}

TEST("hostile: things that are not files") {
    const Folder folder;
    CHECK(read_outcome(folder.file("absent")) == Outcome::io);
    CHECK(read_outcome(folder.path()) == Outcome::io);
    CHECK(read_outcome("") == Outcome::io);
    CHECK(read_outcome("/dev/zero") == Outcome::io);
    REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    CHECK(read_outcome(folder.file("fifo")) == Outcome::io);
    fs::create_symlink(folder.file("loop"), folder.file("loop"));
    CHECK(read_outcome(folder.file("loop")) == Outcome::io);
    Bytes head = small_file(folder);
    head.resize(sizeof(io::Header));
    header_of(head).sections = 0;
    header_of(head).file_bytes = head.size();
    seal(head);
    dump(folder.file("head"), head);
    CHECK_THROWS(read_file(folder.file("head"), true, Verify::all), "section 'params' is missing");
    head.pop_back();
    dump(folder.file("head"), head);
    CHECK_THROWS(read_file(folder.file("head"), true, Verify::all), "the file has 63 bytes");
    dump(folder.file("empty"), {});
    CHECK(read_outcome(folder.file("empty")) == Outcome::corrupt);
    CHECK(read_outcome(folder.file("empty") + '\0' + "x") == Outcome::other);
    CHECK(read_outcome(folder.file("good") + '\0' + "x") == Outcome::other);
    CHECK(outcome([&] { write_file(folder.file("good") + '\0' + "x", small_parts()); }) == Outcome::other);
    try {
        read_file(folder.file("absent"), true, Verify::all);
    } catch (const Error& error) {
        CHECK_EQ(error.error_number(), ENOENT);
        CHECK(std::strstr(error.what(), "absent") != nullptr);
    }
}

TEST("hostile: random damage with right checksums") {
    const Folder folder;
    const Bytes good = small_file(folder);
    std::uint32_t state = 7;
    const auto random = [&](std::size_t below) {
        state = state * 1664525u + 1013904223u;
        return static_cast<std::size_t>(state >> 8) % below;
    };
    for (int round = 0; round < 3000; ++round) {
        Bytes bad = good;
        for (std::size_t change = 0; change <= random(4); ++change)
            bad[16 + random(round % 3 == 0 ? good.size() - 16 : 900)] = static_cast<unsigned char>(random(256));
        if (round % 5 == 0) bad.resize(64 + random(bad.size() - 64));
        if (round % 7 == 0) header_of(bad).file_bytes = bad.size();
        seal(bad);
        dump(folder.file("a"), bad);
        const Outcome all = read_outcome(folder.file("a"), Verify::all, round % 2 == 0);
        CHECK(all == Outcome::ok || all == Outcome::corrupt);
    }
}

}  // namespace
