// Writing is atomic: at any time, including after a power loss, the path refers to the complete old file or to the
// complete new one. Arrays are written directly from memory; header and table follow last, when checksums are known.
#include "io/write_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "io/contents.h"
#include "io/crc32.h"
#include "io/stale.h"
#include "io/test_point.h"

namespace fewbits {
namespace {

using namespace io;

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

// Calls begin(file size in bytes), then write(bytes, offset) for everything except zero padding.
template <class Begin, class Write>
Written write_sections(const std::map<std::string, Array>& arrays, std::uint64_t major, Begin begin, Write write) {
    if (major < 1 || major > major_version)
        fail("param 'format': got " + std::to_string(major) + ", expected 1.." + std::to_string(major_version));
    std::vector<SectionInfo> sections = lay_out(arrays);
    const std::uint64_t file_bytes = sections.back().offset + sections.back().bytes;
    begin(file_bytes);
    auto section = sections.begin();
    for (const auto& [name, array] : arrays) {
        section->checksum = write_array(array.bytes, section->offset, write);
        ++section;
    }
    const std::vector<std::byte> head = make_head(sections, file_bytes, static_cast<std::uint16_t>(major));
    write(head, 0);
    return {identity_of(head), file_bytes, std::move(sections)};
}

}  // namespace

namespace io {

Place::Place(const std::string& path) : path_(path) {
    if (path.find('\0') != std::string::npos) fail("path contains a zero byte");
    const std::filesystem::path target = native(followed(path));
    name_ = utf8(target.filename());
    if (name_.empty()) fail_errno("the path does not name a file", path.empty() ? ENOENT : EISDIR);
    log_name_ = name_ + log_ending;
    folder_ = open_folder(target.has_parent_path() ? utf8(target.parent_path()) : ".");
}

std::map<std::string, Array> all_arrays(Parts parts) {
    auto params = std::make_shared<const std::vector<Param>>(make_params(parts.params));
    if (params->size() > max_records) fail("a file holds at most 2^20 params, got " + std::to_string(params->size()));
    if (parts.has(params_name)) fail("'params' cannot be the name of an array");
    std::map<std::string, Array> arrays = std::move(parts.arrays);
    arrays[params_name] = {DType::u8, std::as_bytes(std::span(*params)), params};
    return arrays;
}

Written write_file(const Place& place, const std::map<std::string, Array>& arrays, std::uint64_t major) {
    const Handle folder = place.folder();
    const std::optional<Permissions> old = permissions_of_replaced(folder, place.name());
    remove_stale(folder, place.name());
    const Permissions usual = old ? Permissions{} : usual_permissions(folder, place.name());
    Temporary file(folder, place.name(), private_mode);  // not accessible to others until it is complete
    test_point("created");
    Written written = write_sections(
        arrays, major, [&](std::uint64_t bytes) { resize_file(file.get(), bytes); },
        [&](std::span<const std::byte> bytes, std::uint64_t offset) { write_all(file.get(), bytes, offset); });
    if (old)
        keep_permissions(file.get(), *old);
    else
        set_permissions(file.get(), usual);
    test_point("written");
    sync_file(file.get());
    test_point("synced");
    file.rename_to(place.name());
    test_point("renamed");
    sync_folder(folder);
    return written;
}

void remove_log(const Place& place, const LogLock& log) {
    test_point("log folded");
    require(log.is_mine(), "save: this process is a fork of the one that holds the log");
    remove_in(place.folder(), place.log_name());
    test_point("log removed");
    sync_folder(place.folder());
}

}  // namespace io

std::vector<std::byte> write_bytes(const Parts& parts) {
    std::vector<std::byte> file;
    write_sections(
        all_arrays(parts), parts.param_or(format_name, 1), [&](std::uint64_t bytes) { file.resize(bytes); },
        [&](std::span<const std::byte> bytes, std::uint64_t offset) {
            std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
        });
    return file;
}

void write_file(const std::string& path, const Parts& parts) {
    try {
        const Place place(path);
        const std::optional<LogLock> log = LogLock::existing(place.folder(), place.log_name());
        io::write_file(place, all_arrays(parts), parts.param_or(format_name, 1));
        if (log) remove_log(place, *log);
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

}  // namespace fewbits
