// Writing is atomic: whoever opens the path, during the write or after a power loss, finds the whole old file or the
// whole new one. Arrays go to the file from where they are; header and table follow last, when the checksums are known.
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "io/crc32.h"
#include "io/file.h"
#include "io/format.h"
#include "io/posix.h"
#include "io/test_point.h"

namespace fewbits {
namespace {

using namespace io;

constexpr std::size_t chunk_bytes = std::size_t{1} << 20;

// Where everything goes, without the checksums.
std::vector<SectionInfo> lay_out(const std::map<std::string, Array>& arrays) {
    if (arrays.size() > most_records) fail("at most 2^20 arrays fit a file, got " + std::to_string(arrays.size()));
    std::vector<SectionInfo> sections;
    std::uint64_t end = sizeof(Header) + arrays.size() * sizeof(Entry);
    for (const auto& [name, array] : arrays) {
        if (!is_name(name)) fail("array name '" + name + "': expected 1..31 of a-z, 0-9, _ and .");
        if (array.bytes.size() % dtype_bytes(array.dtype) != 0)
            fail("array '" + name + "' has " + std::to_string(array.bytes.size()) + " bytes, expected a multiple of "
                 + dtype_name(array.dtype));
        sections.push_back({name, array.dtype, next_offset(end), array.bytes.size(), 0, is_bulk(name)});
        end = sections.back().offset + sections.back().bytes;
    }
    return sections;
}

std::uint32_t write_array(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    std::uint32_t checksum = 0;
    while (!bytes.empty()) {
        const std::span<const std::byte> chunk = bytes.first(std::min(chunk_bytes, bytes.size()));
        checksum = crc32(chunk, checksum);
        write_all(fd, chunk, offset);
        bytes = bytes.subspan(chunk.size());
        offset += chunk.size();
        test_point("chunk");
    }
    return checksum;
}

void write_sections(int fd, const std::map<std::string, Array>& arrays) {
    std::vector<SectionInfo> sections = lay_out(arrays);
    const std::uint64_t file_bytes = sections.back().offset + sections.back().bytes;
    // Paddings are what is never written: zero.
    if (::ftruncate(fd, static_cast<off_t>(file_bytes)) != 0)
        fail_errno("cannot make a file of " + std::to_string(file_bytes) + " bytes");
    auto section = sections.begin();
    for (const auto& [name, array] : arrays) {
        section->checksum = write_array(fd, array.bytes, section->offset);
        ++section;
    }
    write_all(fd, make_head(sections, file_bytes), 0);
}

// The permissions of the file that is about to be replaced, if there is one. Only a regular file may be.
std::optional<mode_t> permissions(int folder, const std::string& name) {
    struct stat status{};
    if (::fstatat(folder, name.c_str(), &status, 0) != 0) {
        if (errno == ENOENT) return std::nullopt;
        fail_errno("cannot look at the target");
    }
    if (S_ISDIR(status.st_mode)) fail_errno("the target is a folder", EISDIR);
    if (!S_ISREG(status.st_mode)) fail_errno("the target is not a regular file", EINVAL);
    return status.st_mode & 0777;
}

void write_atomically(const std::string& path, const std::map<std::string, Array>& arrays) {
    if (path.find('\0') != std::string::npos) fail("path contains a zero byte");
    const std::filesystem::path target(path);
    const std::string name = target.filename().string();
    if (name.empty()) fail_errno("the path names no file", path.empty() ? ENOENT : EISDIR);
    const Descriptor folder = open_folder(target.has_parent_path() ? target.parent_path().string() : ".");
    const std::optional<mode_t> mode = permissions(folder.get(), name);
    Temporary file(folder.get(), name);
    test_point("created");
    write_sections(file.get(), arrays);
    if (mode && ::fchmod(file.get(), *mode) != 0) fail_errno("cannot set permissions");
    test_point("written");
    sync_file(file.get());
    test_point("synced");
    file.rename_to(name);
    test_point("renamed");
    sync_folder(folder.get());
}

}  // namespace

void write_file(const std::string& path, const Parts& parts) {
    try {
        const std::vector<Param> params = make_params(parts.params);
        if (params.size() > most_records) fail("at most 2^20 params fit a file, got " + std::to_string(params.size()));
        if (parts.has(params_name)) fail("'params' cannot be the name of an array");
        std::map<std::string, Array> arrays = parts.arrays;
        arrays[params_name] = {DType::u8, std::as_bytes(std::span(params)), nullptr};
        write_atomically(path, arrays);
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

}  // namespace fewbits
