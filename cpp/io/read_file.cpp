#include "io/contents.h"
#include "io/file.h"

namespace fewbits {
namespace {

FileInfo info_of(const io::Contents& contents) {
    FileInfo info = contents.info();
    info.sections.clear();
    for (const io::Stored& section : contents.sections()) {
        info.sections.push_back(section.info);
        info.sections.back().in_log = !section.in_file;
    }
    const io::Log& log = contents.log();
    if (log.number > 0 || log.dropped > 0) info.log = LogInfo{log.end, log.number, log.dropped};
    return info;
}

// Runs `work`; adds the path to every error.
template <class Work>
auto with_path(const std::string& path, Work work) {
    try {
        return work();
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

}  // namespace

Parts read_file(const std::string& path, bool mapped, Verify verify) {
    return with_path(path, [&] { return io::Contents(path).parts(mapped, verify); });
}

Parts read_bytes(std::span<const std::byte> file, std::span<const std::byte> log) {
    return io::Contents(file, log).parts(false, Verify::all);
}

FileInfo inspect_file(const std::string& path) {
    return with_path(path, [&] { return info_of(io::Contents(path)); });
}

void verify_file(const std::string& path) {
    with_path(path, [&] { io::Contents(path).verify(); });
}

}  // namespace fewbits
