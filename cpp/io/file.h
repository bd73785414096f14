// One index, one file (docs/format.md). Reading maps the file and trusts nothing; writing is atomic: a temporary file
// beside the target, fsync, rename, fsync of the folder.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parts.h"

namespace fewbits {

enum class Verify {
    trusted,  // header, table, params and every array that search follows or computes with (all but bulk codes and ids)
    all,      // the checksum of every byte
};

struct SectionInfo {
    std::string name;
    DType dtype;
    std::uint64_t offset, bytes;
    std::uint32_t checksum;
    bool bulk;  // not read at open: codes, rests, rerank rows, ids, factors
};

struct FileInfo {
    std::uint32_t major, minor;
    std::uint64_t bytes;
    std::vector<SectionInfo> sections;
    std::map<std::string, std::uint64_t> params;
};

// mapped: bulk arrays point into a read-only shared mapping, and all that search follows or computes with is copied, so
// that writing to the file cannot lead it astray; else everything is in memory, read in full.
Parts read_file(const std::string& path, bool mapped, Verify verify);
Parts read_bytes(std::span<const std::byte> file);  // a whole file in memory, which is copied; all checksums compared
FileInfo inspect_file(const std::string& path);     // header, table and params only
void verify_file(const std::string& path);  // checksum of every byte; throws Error(corrupt) naming section and offset

// Arrays keep whether they are bulk.
void write_file(const std::string& path, const Parts& parts);
std::vector<std::byte> write_bytes(const Parts& parts);  // what write_file writes

}  // namespace fewbits
