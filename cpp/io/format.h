// The parts of a file that are not arrays: header, section table and param records, as specified in docs/format.md.
// After `check_header`, `check_table` and `check_params`, offsets are safe to follow: every section lies inside the
// file, at the only offset that the format allows.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/file.h"

namespace fewbits::io {

// 2.0 adds params and arrays that change vectors or scores (docs/format.md). Indexes without them are written as 1.1.
inline constexpr std::uint16_t major_version = 2;
inline constexpr std::uint16_t minor_versions[] = {0, 1, 0};  // by major version
inline constexpr std::size_t alignment = 64;
inline constexpr std::size_t max_records = std::size_t{1} << 20;  // limit for sections, and for params
inline constexpr std::size_t longest_name = 31;
inline constexpr const char* params_name = "params";
inline constexpr const char* format_name = "format";  // param: the major version to write (default: 1)

struct Header {
    unsigned char magic[8];
    std::uint16_t major, minor;
    std::uint32_t endian;  // 0x01020304 as the writer's CPU stores it
    std::uint64_t file_bytes;
    std::uint32_t sections;
    std::uint32_t table_checksum;
    unsigned char reserved[28];
    std::uint32_t checksum;  // of the 60 bytes before it
};
static_assert(sizeof(Header) == 64);

struct Entry {
    char name[longest_name + 1];
    std::uint32_t dtype;
    std::uint32_t flags;  // bit 0: bulk
    std::uint64_t offset;
    std::uint64_t bytes;
    std::uint32_t checksum;
    std::uint32_t reserved;
};
static_assert(sizeof(Entry) == 64);

struct Param {
    char name[longest_name + 1];
    std::uint64_t value;
};
static_assert(sizeof(Param) == 40);

bool is_name(const std::string& name);
std::uint64_t next_offset(std::uint64_t end);  // the smallest aligned offset >= end

// Reading: each throws Error(corrupt) or Error(version) for anything that a writer would not produce.
void check_header(const Header& header, std::uint64_t file_bytes);
std::vector<SectionInfo> check_table(const Header& header, std::span<const Entry> table);
std::map<std::string, std::uint64_t> check_params(const SectionInfo& section, std::span<const Param> records);
[[noreturn]] void fail_section(const SectionInfo& section, const std::string& what);

SectionInfo check_entry(const Entry& entry, std::size_t index);  // all but its offset

// Writing. Offsets and checksums of `sections` must be set.
Entry make_entry(const SectionInfo& section);
std::vector<std::byte> make_head(const std::vector<SectionInfo>& sections, std::uint64_t file_bytes,
                                 std::uint16_t major);
std::vector<Param> make_params(const std::map<std::string, std::uint64_t>& params);

}  // namespace fewbits::io
