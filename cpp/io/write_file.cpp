// Writing is atomic: at any time, including after a power loss, the path refers to the complete old file or to the
// complete new one. Arrays are written directly from memory; header and table follow last, when checksums are known.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>

#include "io/crc32.h"
#include "io/file.h"
#include "io/format.h"
#include "io/stale.h"
#include "io/system.h"
#include "io/test_point.h"

namespace fewbits {
namespace {

using namespace io;

constexpr std::size_t chunk_bytes = std::size_t{1} << 20;

// Sections with their offsets; checksums are filled in later.
std::vector<SectionInfo> lay_out(const std::map<std::string, Array>& arrays) {
    if (arrays.size() > max_records) fail("a file holds at most 2^20 arrays, got " + std::to_string(arrays.size()));
    std::vector<SectionInfo> sections;
    std::uint64_t end = sizeof(Header) + arrays.size() * sizeof(Entry);
    for (const auto& [name, array] : arrays) {
        if (!is_name(name)) fail("array name '" + name + "': expected 1..31 of a-z, 0-9, _ and .");
        if (array.bytes.size() % dtype_bytes(array.dtype) != 0)
            fail("array '" + name + "' has " + std::to_string(array.bytes.size()) + " bytes, expected a multiple of "
                 + dtype_name(array.dtype));
        sections.push_back({name, array.dtype, next_offset(end), array.bytes.size(), 0, array.bulk});
        end = sections.back().offset + sections.back().bytes;
    }
    return sections;
}

// Calls write(bytes, offset) for each chunk of the array; returns the checksum of the array.
template <class Write>
std::uint32_t write_array(std::span<const std::byte> bytes, std::uint64_t offset, Write write) {
    std::uint32_t checksum = 0;
    while (!bytes.empty()) {
        const std::span<const std::byte> chunk = bytes.first(std::min(chunk_bytes, bytes.size()));
        checksum = crc32(chunk, checksum);
        write(chunk, offset);
        bytes = bytes.subspan(chunk.size());
        offset += chunk.size();
        test_point("chunk");
    }
    return checksum;
}

// The arrays, and the params as an additional array.
std::map<std::string, Array> all_arrays(const Parts& parts) {
    std::vector<Param> params = make_params(parts.params);
    if (params.size() > max_records) fail("a file holds at most 2^20 params, got " + std::to_string(params.size()));
    if (parts.has(params_name)) fail("'params' cannot be the name of an array");
    auto kept = std::make_shared<const std::vector<Param>>(std::move(params));
    std::map<std::string, Array> arrays = parts.arrays;
    arrays[params_name] = {DType::u8, std::as_bytes(std::span(*kept)), kept};
    return arrays;
}

// Calls begin(file size in bytes), then write(bytes, offset) for everything except zero padding.
template <class Begin, class Write>
void write_sections(const Parts& parts, Begin begin, Write write) {
    const std::uint64_t major = parts.param_or(format_name, 1);
    if (major < 1 || major > major_version)
        fail("param 'format': got " + std::to_string(major) + ", expected 1.." + std::to_string(major_version));
    const std::map<std::string, Array> arrays = all_arrays(parts);
    std::vector<SectionInfo> sections = lay_out(arrays);
    const std::uint64_t file_bytes = sections.back().offset + sections.back().bytes;
    begin(file_bytes);
    auto section = sections.begin();
    for (const auto& [name, array] : arrays) {
        section->checksum = write_array(array.bytes, section->offset, write);
        ++section;
    }
    write(make_head(sections, file_bytes, static_cast<std::uint16_t>(major)), 0);
}

// The path to replace, with symbolic links resolved. The final target need not exist.
std::filesystem::path followed(std::filesystem::path target) {
    constexpr int most_links = 40;  // the limit of the system
    std::error_code error;
    for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(target, error)); ++links) {
        if (links == most_links) fail_errno("cannot follow the symbolic link", ELOOP);
        const std::filesystem::path next = std::filesystem::read_symlink(target, error);
        if (error) fail_errno("cannot read the symbolic link", error.value());
        target = target.parent_path() / next;
    }
    return target;
}

std::string utf8(const std::filesystem::path& path) {
    const std::u8string text = path.u8string();
    return {text.begin(), text.end()};
}

void write_atomically(const std::string& path, const Parts& parts) {
    if (path.find('\0') != std::string::npos) fail("path contains a zero byte");
    const std::filesystem::path target = followed(std::u8string(path.begin(), path.end()));
    const std::string name = utf8(target.filename());
    if (name.empty()) fail_errno("the path does not name a file", path.empty() ? ENOENT : EISDIR);
    const Descriptor folder = open_folder(target.has_parent_path() ? utf8(target.parent_path()) : ".");
    const std::optional<Permissions> old = permissions_of_replaced(folder.get(), name);
    remove_stale(folder.get(), name);
    const Permissions usual = old ? Permissions{} : usual_permissions(folder.get(), name);
    Temporary file(folder.get(), name, private_mode);  // not accessible to others until it is complete
    test_point("created");
    write_sections(
        parts, [&](std::uint64_t bytes) { resize_file(file.get(), bytes); },
        [&](std::span<const std::byte> bytes, std::uint64_t offset) { write_all(file.get(), bytes, offset); });
    if (old)
        keep_permissions(file.get(), *old);
    else
        set_permissions(file.get(), usual);
    test_point("written");
    sync_file(file.get());
    test_point("synced");
    file.rename_to(name);
    test_point("renamed");
    sync_folder(folder.get());
}

}  // namespace

std::vector<std::byte> write_bytes(const Parts& parts) {
    std::vector<std::byte> file;
    write_sections(
        parts, [&](std::uint64_t bytes) { file.resize(bytes); },
        [&](std::span<const std::byte> bytes, std::uint64_t offset) {
            std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
        });
    return file;
}

void write_file(const std::string& path, const Parts& parts) {
    try {
        write_atomically(path, parts);
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

}  // namespace fewbits
