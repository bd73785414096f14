// An index is one file (docs/format.md). Nothing in a file is trusted when it is read. Writing is atomic: a temporary
// file beside the target, fsync, rename, fsync of the folder.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/parts.h"

namespace fewbits {

enum class Verify {
    trusted,  // checks header, table, params and all arrays that are not bulk (search relies on their values)
    all,      // checks every byte
};

struct SectionInfo {
    std::string name;
    DType dtype;
    std::uint64_t offset, bytes;
    std::uint32_t checksum;
    bool bulk;  // not read at open: codes, rests, rerank rows, ids, factors
    bool in_log = false;
};

// What a file's log holds (docs/durability.md).
struct LogInfo {
    std::uint64_t bytes, changes, dropped;  // dropped: bytes at its end, of a change that was not completed
};

struct FileInfo {
    std::uint32_t major, minor;
    std::uint64_t bytes;
    std::vector<SectionInfo> sections;
    std::map<std::string, std::uint64_t> params;
    std::optional<LogInfo> log;  // if there is one, and it belongs to the file
};

// All of these read a file together with its log, if it has one. If `mapped`, bulk arrays point into a read-only shared
// mapping; the other arrays, on whose values search relies, are copied, so that later writes to the file do not affect
// them. Otherwise the whole file is read into memory.
Parts read_file(const std::string& path, bool mapped, Verify verify);
// The contents of a file and of its log; copies them and compares all checksums.
Parts read_bytes(std::span<const std::byte> file, std::span<const std::byte> log = {});
FileInfo inspect_file(const std::string& path);  // header, table and params only
void verify_file(const std::string& path);  // compares all checksums; throws Error(corrupt) with section and offset

// The bulk flags of the arrays are preserved. A log beside the file is removed; if another index writes to it, this
// throws Error(io) with EWOULDBLOCK.
void write_file(const std::string& path, const Parts& parts);
std::vector<std::byte> write_bytes(const Parts& parts);  // the bytes that write_file writes

}  // namespace fewbits
