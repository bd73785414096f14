// Reads files with arbitrary contents. All checks read through the descriptor (or the copy in memory), never through
// the mapping: a failing disk then causes an exception instead of a signal, and opening reads only what is checked.
#include <algorithm>
#include <cstring>
#include <memory>

#include "base/parallel.h"
#include "io/crc32.h"
#include "io/file.h"
#include "io/format.h"
#include "io/system.h"

namespace fewbits {
namespace {

using namespace io;

constexpr std::uint64_t piece_bytes = std::uint64_t{1} << 20;

class Source {
public:
    explicit Source(const std::string& path) {
        if (path.find('\0') != std::string::npos) fail("path contains a zero byte");
        file_ = open_file(path);
        bytes_ = regular_file_bytes(file_.get());
    }

    explicit Source(std::span<const std::byte> file)
        : bytes_(file.size()), memory_(file.empty() ? nullptr : copy_bytes(file)) {}

    std::uint64_t bytes() const { return bytes_; }
    void load() {
        if (!memory_) memory_ = load_file(file_.get(), bytes_);
    }
    std::shared_ptr<const void> share() const { return memory_ ? memory_ : map_file(file_.get(), bytes_); }

    void read(std::uint64_t offset, std::span<std::byte> buffer) const {
        if (buffer.empty()) return;
        if (memory_)
            std::memcpy(buffer.data(), static_cast<const std::byte*>(memory_.get()) + offset, buffer.size());
        else
            read_all(file_.get(), buffer, offset);
    }

    template <class T>
    std::vector<T> records(std::uint64_t offset, std::size_t count) const {
        std::vector<T> found(count);
        read(offset, std::as_writable_bytes(std::span(found)));
        return found;
    }

private:
    Descriptor file_;
    std::uint64_t bytes_ = 0;
    std::shared_ptr<const void> memory_;
};

Header read_header(const Source& source) {
    if (source.bytes() < sizeof(Header))
        corrupt("the file has " + std::to_string(source.bytes()) + " bytes, expected at least "
                + std::to_string(sizeof(Header)));
    const Header header = source.records<Header>(0, 1)[0];
    check_header(header, source.bytes());
    return header;
}

FileInfo read_info(const Source& source) {
    const Header header = read_header(source);
    FileInfo info{header.major,
                  header.minor,
                  source.bytes(),
                  check_table(header, source.records<Entry>(sizeof(Header), header.sections)),
                  {}};
    const auto found = std::find_if(info.sections.begin(), info.sections.end(),
                                    [](const SectionInfo& section) { return section.name == params_name; });
    if (found == info.sections.end()) corrupt("section 'params' is missing");
    if (found->dtype != DType::u8 || found->bytes % sizeof(Param) != 0 || found->bytes / sizeof(Param) > max_records)
        fail_section(*found, std::to_string(found->bytes) + " bytes are not param records");
    info.params = check_params(*found, source.records<Param>(found->offset, found->bytes / sizeof(Param)));
    return info;
}

void check_padding(const Source& source, const SectionInfo& section) {
    const std::uint64_t end = section.offset + section.bytes;
    std::vector<std::byte> padding(std::min(next_offset(end), source.bytes()) - end);
    source.read(end, padding);
    if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
        fail_section(section, "padding after it is not zero");
}

// Verifies checksums and padding of the sections, piece by piece in parallel.
void check_sections(const Source& source, const std::vector<SectionInfo>& sections) {
    struct Piece {
        std::uint64_t offset, bytes;
        std::uint32_t checksum;
    };
    std::vector<Piece> pieces;
    for (const SectionInfo& section : sections)
        for (std::uint64_t done = 0; done < section.bytes; done += piece_bytes)
            pieces.push_back({section.offset + done, std::min(piece_bytes, section.bytes - done), 0});

    const unsigned threads = pieces.size() < 8 ? 1 : resolve_threads(0);
    std::vector<std::vector<std::byte>> buffers(threads);
    parallel_for(pieces.size(), threads, [&](std::size_t task, unsigned worker) {
        Piece& piece = pieces[task];
        if (buffers[worker].size() < piece.bytes) buffers[worker].resize(piece.bytes);
        const std::span<std::byte> buffer(buffers[worker].data(), piece.bytes);
        source.read(piece.offset, buffer);
        piece.checksum = crc32(buffer);
    });

    auto piece = pieces.begin();
    for (const SectionInfo& section : sections) {
        std::uint32_t checksum = 0;
        for (std::uint64_t done = 0; done < section.bytes; done += piece->bytes, ++piece)
            checksum = crc32_combine(checksum, piece->checksum, piece->bytes);
        if (checksum != section.checksum) fail_section(section, "checksum mismatch");
        check_padding(source, section);
    }
}

// A private copy of a section, checked after copying, so that later writes to a mapped file do not affect it.
Array copied(const Source& source, const SectionInfo& section) {
    const auto memory = std::make_shared<std::vector<std::byte>>(section.bytes + alignment);
    void* start = memory->data();
    std::size_t room = memory->size();
    const std::span<std::byte> bytes(static_cast<std::byte*>(std::align(alignment, section.bytes, start, room)),
                                     section.bytes);
    source.read(section.offset, bytes);
    if (crc32(bytes) != section.checksum) fail_section(section, "checksum mismatch");
    check_padding(source, section);
    return {section.dtype, bytes, memory, section.bulk};
}

Parts read_parts(Source& source, bool mapped, Verify verify) {
    if (!mapped) {
        read_header(source);  // rejects a file of the wrong length before allocating memory for it
        source.load();
    }
    FileInfo info = read_info(source);
    const auto is_copied = [&](const SectionInfo& section) { return mapped && !section.bulk; };
    std::vector<SectionInfo> checked = info.sections;
    std::erase_if(checked, [&](const SectionInfo& section) {
        return (is_copied(section) && section.name != params_name) || (verify == Verify::trusted && section.bulk);
    });
    check_sections(source, checked);

    const std::shared_ptr<const void> owner = source.share();
    const std::byte* start = static_cast<const std::byte*>(owner.get());
    Parts parts{std::move(info.params), {}};
    for (const SectionInfo& section : info.sections)
        if (section.name != params_name)
            parts.arrays[section.name] =
                is_copied(section) ? copied(source, section)
                                   : Array{section.dtype, {start + section.offset, section.bytes}, owner, section.bulk};
    return parts;
}

// Runs `work` on the opened file; adds the path to every error.
template <class Work>
auto with_file(const std::string& path, Work work) {
    try {
        Source source(path);
        return work(source);
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

}  // namespace

Parts read_file(const std::string& path, bool mapped, Verify verify) {
    return with_file(path, [&](Source& source) { return read_parts(source, mapped, verify); });
}

Parts read_bytes(std::span<const std::byte> file) {
    Source source(file);
    return read_parts(source, false, Verify::all);
}

FileInfo inspect_file(const std::string& path) {
    return with_file(path, [](Source& source) { return read_info(source); });
}

void verify_file(const std::string& path) {
    with_file(path, [](Source& source) { check_sections(source, read_info(source).sections); });
}

}  // namespace fewbits
