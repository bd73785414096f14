#include "io/format.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "base/matrix.h"
#include "io/crc32.h"

namespace fewbits::io {
namespace {

static_assert(std::endian::native == std::endian::little);

// As in PNG: not text, and altered by any transfer that treats the file as text or stops at an end-of-file character.
constexpr unsigned char magic[8] = {0x89, 'F', 'B', 'X', '\r', '\n', 0x1A, '\n'};
constexpr std::uint32_t endian_tag = 0x01020304;
constexpr std::uint32_t bulk_flag = 1;

std::uint32_t header_checksum(const Header& header) {
    return crc32({reinterpret_cast<const std::byte*>(&header), offsetof(Header, checksum)});
}

// The name in a zero-padded field, or an empty string if it is invalid.
std::string name_in(const char (&field)[longest_name + 1]) {
    const char* end = std::find(std::begin(field), std::end(field), '\0');
    const bool padded = end != std::end(field) && std::all_of(end, std::end(field), [](char c) { return c == '\0'; });
    std::string name(std::begin(field), end);
    return padded && is_name(name) ? name : std::string();
}

void put_name(const std::string& name, char (&field)[longest_name + 1]) {
    std::memcpy(field, name.data(), name.size());
}

}  // namespace

SectionInfo check_entry(const Entry& entry, std::size_t index) {
    SectionInfo section{name_in(entry.name), static_cast<DType>(entry.dtype), entry.offset, entry.bytes,
                        entry.checksum,      (entry.flags & bulk_flag) != 0};
    if (section.name.empty()) corrupt("section " + std::to_string(index) + " has an invalid name");
    if (entry.dtype < 1 || entry.dtype > static_cast<std::uint32_t>(DType::i64))
        fail_section(section, "unknown dtype " + std::to_string(entry.dtype));
    if ((entry.flags & ~bulk_flag) != 0) fail_section(section, "unknown flags " + std::to_string(entry.flags));
    if (entry.reserved != 0) fail_section(section, "reserved bytes are not zero");
    if (entry.bytes % dtype_bytes(section.dtype) != 0)
        fail_section(section,
                     "length " + std::to_string(entry.bytes) + " is not a multiple of " + dtype_name(section.dtype));
    return section;
}

Entry make_entry(const SectionInfo& section) {
    Entry entry{};
    put_name(section.name, entry.name);
    entry.dtype = static_cast<std::uint32_t>(section.dtype);
    entry.flags = section.bulk ? bulk_flag : 0;
    entry.offset = section.offset;
    entry.bytes = section.bytes;
    entry.checksum = section.checksum;
    return entry;
}

bool is_name(const std::string& name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= longest_name && std::all_of(name.begin(), name.end(), allowed);
}

std::uint64_t next_offset(std::uint64_t end) {
    return checked_add(end, alignment - 1) / alignment * alignment;
}

void fail_section(const SectionInfo& section, const std::string& what) {
    corrupt("section '" + section.name + "' at offset " + std::to_string(section.offset) + ": " + what);
}

void check_header(const Header& header, std::uint64_t file_bytes) {
    if (std::memcmp(header.magic, magic, sizeof magic) != 0) corrupt("not a fewbits file: wrong magic bytes");
    if (header.endian != endian_tag) corrupt("header: byte order tag is wrong, expected little endian");
    if (header.major < 1 || header.major > major_version)
        throw Error(ErrorKind::version, "file has format version " + std::to_string(header.major) + "."
                                            + std::to_string(header.minor) + ", this build reads versions up to "
                                            + std::to_string(major_version));
    if (header.checksum != header_checksum(header)) corrupt("header: checksum mismatch");
    if (header.file_bytes != file_bytes)
        corrupt("header: the file has " + std::to_string(file_bytes) + " bytes, expected "
                + std::to_string(header.file_bytes));
    if (std::any_of(std::begin(header.reserved), std::end(header.reserved), [](unsigned char c) { return c != 0; }))
        corrupt("header: reserved bytes are not zero");
    if (header.sections > max_records || sizeof(Header) + header.sections * sizeof(Entry) > file_bytes)
        corrupt("header: " + std::to_string(header.sections) + " sections do not fit in the file");
}

std::vector<SectionInfo> check_table(const Header& header, std::span<const Entry> table) {
    if (crc32(std::as_bytes(table)) != header.table_checksum) corrupt("section table at offset 64: checksum mismatch");
    std::vector<SectionInfo> sections;
    std::uint64_t end = sizeof(Header) + table.size_bytes();
    for (std::size_t i = 0; i < table.size(); ++i) {
        const SectionInfo section = check_entry(table[i], i);
        if (i > 0 && section.name <= sections[i - 1].name) fail_section(section, "names are not in ascending order");
        const std::uint64_t expected = next_offset(end);  // no overflow: end <= file_bytes <= 2^63
        if (section.offset != expected) fail_section(section, "expected at offset " + std::to_string(expected));
        if (section.offset > header.file_bytes || section.bytes > header.file_bytes - section.offset)
            fail_section(section, std::to_string(section.bytes) + " bytes extend beyond the end of the file");
        end = section.offset + section.bytes;
        sections.push_back(section);
    }
    if (end != header.file_bytes)
        corrupt("the sections end at offset " + std::to_string(end) + ", the file at "
                + std::to_string(header.file_bytes));
    return sections;
}

std::map<std::string, std::uint64_t> check_params(const SectionInfo& section, std::span<const Param> records) {
    if (crc32(std::as_bytes(records)) != section.checksum) fail_section(section, "checksum mismatch");
    std::map<std::string, std::uint64_t> params;
    for (const Param& record : records) {
        const std::string name = name_in(record.name);
        if (name.empty()) fail_section(section, "invalid param name");
        if (!params.empty() && name <= params.rbegin()->first)
            fail_section(section, "names are not in ascending order");
        params.emplace_hint(params.end(), name, record.value);
    }
    return params;
}

std::vector<std::byte> make_head(const std::vector<SectionInfo>& sections, std::uint64_t file_bytes,
                                 std::uint16_t major) {
    std::vector<Entry> table;
    for (const SectionInfo& section : sections) table.push_back(make_entry(section));
    const std::span<const std::byte> table_bytes = std::as_bytes(std::span(table));
    Header header{};
    std::memcpy(header.magic, magic, sizeof magic);
    header.major = major;
    header.minor = minor_versions[major];
    header.endian = endian_tag;
    header.file_bytes = file_bytes;
    header.sections = static_cast<std::uint32_t>(sections.size());
    header.table_checksum = crc32(table_bytes);
    header.checksum = header_checksum(header);
    std::vector<std::byte> head(sizeof header + table_bytes.size());
    std::memcpy(head.data(), &header, sizeof header);
    std::copy(table_bytes.begin(), table_bytes.end(), head.begin() + sizeof header);
    return head;
}

std::vector<Param> make_params(const std::map<std::string, std::uint64_t>& params) {
    std::vector<Param> records;
    for (const auto& [name, value] : params) {
        if (!is_name(name)) fail("param name '" + name + "': expected 1..31 of a-z, 0-9, _ and .");
        records.push_back({});
        put_name(name, records.back().name);
        records.back().value = value;
    }
    return records;
}

}  // namespace fewbits::io
