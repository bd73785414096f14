// What is written is what is read: both ways of reading, every size, and the same bytes each time.
#include "io/index_file.h"
#include "io_fixture.h"

namespace {

using namespace io_fixture;

TEST("file: round trip, mapped and loaded") {
    const Folder folder;
    const Parts parts = small_parts();
    write_file(folder.file("a"), parts);
    for (const bool mapped : {true, false})
        for (const Verify verify : {Verify::trusted, Verify::all}) {
            const Parts read = read_file(folder.file("a"), mapped, verify);
            CHECK(same(parts, read));
            for (const auto& [name, array] : read.arrays)
                CHECK_EQ(reinterpret_cast<std::uintptr_t>(array.bytes.data()) % io::alignment, 0u);
        }
    verify_file(folder.file("a"));
    CHECK_EQ(folder.entries(), 1u);
}

TEST("file: arrays of every length around the alignment") {
    const Folder folder;
    Parts parts;
    for (std::size_t n = 0; n <= 130; ++n)
        parts.arrays["seg" + std::to_string(n)] = make_bulk(DType::u8, counting<std::uint8_t>(n));
    write_file(folder.file("a"), parts);
    CHECK(same(parts, read_file(folder.file("a"), true, Verify::all)));
    CHECK(same(parts, read_file(folder.file("a"), false, Verify::all)));
}

TEST("file: nothing at all") {
    const Folder folder;
    write_file(folder.file("a"), {});
    const Parts read = read_file(folder.file("a"), true, Verify::all);
    CHECK(read.params.empty() && read.arrays.empty());
    CHECK_EQ(slurp(folder.file("a")).size(), 128u);
}

TEST("file: an array longer than a piece of the checksum") {
    const Folder folder;
    Parts parts;
    parts.arrays["seg0.codes"] = make_bulk(DType::u32, counting<std::uint32_t>(2'500'001));
    write_file(folder.file("a"), parts);
    verify_file(folder.file("a"));
    CHECK(same(parts, read_file(folder.file("a"), true, Verify::all)));
    CHECK(same(parts, read_file(folder.file("a"), false, Verify::trusted)));
}

TEST("file: save, open, save gives the same bytes") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    write_file(folder.file("b"), read_file(folder.file("a"), true, Verify::trusted));
    write_file(folder.file("c"), read_file(folder.file("b"), false, Verify::trusted));
    CHECK(slurp(folder.file("a")) == slurp(folder.file("b")));
    CHECK(slurp(folder.file("a")) == slurp(folder.file("c")));
}

TEST("file: inspect") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    const Bytes bytes = slurp(folder.file("a"));
    const FileInfo info = inspect_file(folder.file("a"));
    CHECK_EQ(info.major, 1u);
    CHECK_EQ(info.minor, 1u);
    CHECK_EQ(info.bytes, bytes.size());
    CHECK(info.params == small_parts().params);
    CHECK_EQ(info.sections.size(), small_parts().arrays.size() + 1);
    for (const SectionInfo& section : info.sections) {
        const Parts written = small_parts();
        CHECK_EQ(section.bulk, written.has(section.name) && written.arrays.at(section.name).bulk);
        CHECK_EQ(section.checksum, io::crc32(std::as_bytes(std::span(bytes)).subspan(section.offset, section.bytes)));
    }
}

TEST("file: arrays outlive a file that is replaced or removed") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    const Parts read = read_file(folder.file("a"), true, Verify::trusted);
    Parts other;
    other.arrays["seg0.codes"] = make_bulk(DType::u8, counting<std::uint8_t>(1000));
    write_file(folder.file("a"), other);
    CHECK(same(read, small_parts()));
    CHECK(same(other, read_file(folder.file("a"), true, Verify::trusted)));
    fs::remove(folder.file("a"));
    CHECK(same(read, small_parts()));
    write_file(folder.file("a"), read);  // saved from its own mapping
    CHECK(same(read, read_file(folder.file("a"), true, Verify::all)));
}

TEST("file: one array keeps the mapping alive") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    for (const bool mapped : {true, false}) {
        Array kept;
        {
            kept = read_file(folder.file("a"), mapped, Verify::trusted).arrays["seg0.codes"];
        }
        CHECK(std::ranges::equal(kept.bytes, small_parts().arrays["seg0.codes"].bytes));
    }
}

TEST("file: names and sizes that cannot be written") {
    const Folder folder;
    const auto with_array = [&](const std::string& name, std::size_t bytes) {
        Parts parts;
        parts.arrays[name] = make_array(DType::u8, counting<std::uint8_t>(bytes));
        parts.arrays[name].dtype = DType::u32;
        write_file(folder.file("a"), parts);
    };
    with_array(std::string(31, 'x'), 8);
    CHECK_THROWS(with_array("", 8), "array name ''");
    CHECK_THROWS(with_array(std::string(32, 'x'), 8), "expected 1..31");
    for (const char* name : {"Upper", "a b", "a/b", "\xC3\xA4", "a-b"}) CHECK_THROWS(with_array(name, 8), "array name");
    CHECK_THROWS(with_array("params", 8), "cannot be the name of an array");
    CHECK_THROWS(with_array("x", 7), "has 7 bytes, expected a multiple of u32");
    Parts parts;
    parts.params["No"] = 1;
    CHECK_THROWS(write_file(folder.file("a"), parts), "param name 'No'");
    CHECK_EQ(folder.entries(), 1u);
}

TEST("file: one that is cut after it was opened is corrupt") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    const auto file = IndexFile::open(folder.file("a"));
    fs::resize_file(folder.file("a"), fs::file_size(folder.file("a")) - 1);
    CHECK_THROWS(file->read(false, Verify::all), "the file ends at offset");
}

TEST("limits: 2^20 params and no more") {
    Parts parts;
    for (std::size_t i = 0; i < std::size_t{1} << 20; ++i)
        parts.params.emplace_hint(parts.params.end(), std::to_string(10'000'000 + i), i);
    CHECK(read_bytes(write_bytes(parts)).params == parts.params);
    parts.params["one_more"] = 1;
    CHECK_THROWS(write_bytes(parts), "at most 2^20 params, got 1048577");
}

TEST("file: an index file is read once") {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    const auto file = IndexFile::open(folder.file("a"));
    CHECK(same(small_parts(), file->read(true, Verify::all)));
    CHECK_THROWS(file->read(true, Verify::all), "read once");
}

}  // namespace
