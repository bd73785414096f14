#include "io/source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/parallel.h"
#include "io/crc32.h"

namespace fewbits::io {
namespace {

constexpr std::uint64_t piece_bytes = std::uint64_t{1} << 20;

struct Piece {
    std::uint64_t offset, bytes;
    std::uint32_t checksum;
};

void check_path(const std::string& path) {
    if (path.find('\0') != std::string::npos) fail("path contains a zero byte");
}

// Zeros from the end of the section to the alignment.
void check_padding(const Source& source, const SectionInfo& section, std::uint64_t limit) {
    const std::uint64_t end = section.offset + section.bytes;
    std::vector<std::byte> padding(std::min(next_offset(end), limit) - end);
    source.read(end, padding);
    if (std::any_of(padding.begin(), padding.end(), [](std::byte b) { return b != std::byte{0}; }))
        fail_section(section, "padding after it is not zero");
}

}  // namespace

Source::Source(Descriptor file) : file_(std::move(file)), bytes_(regular_file_bytes(file_.get())) {}

Source::Source(const std::string& path) : Source((check_path(path), open_file(path))) {}

Source::Source(std::span<const std::byte> file)
    : bytes_(file.size()), memory_(file.empty() ? nullptr : copy_bytes(file)) {}

std::optional<Source> Source::existing(const std::string& path) {
    try {
        return Source(path);
    } catch (const Error& error) {
        // A name that is too long for a file is the name of none.
        if (error.error_number() == ENOENT || error.error_number() == ENAMETOOLONG) return std::nullopt;
        throw;
    }
}

bool Source::same_file(const std::string& path) const {
    return leads_to(path, file_.get()) && regular_file_bytes(file_.get()) == bytes_;
}

void Source::load() {
    if (!memory_ && bytes_ > 0) memory_ = load_file(file_.get(), bytes_);
}

std::shared_ptr<const void> Source::share(std::uint64_t bytes) const {
    return memory_ ? memory_ : map_file(file_.get(), bytes);
}

void Source::read(std::uint64_t offset, std::span<std::byte> buffer) const {
    if (buffer.empty()) return;
    if (memory_)
        std::memcpy(buffer.data(), static_cast<const std::byte*>(memory_.get()) + offset, buffer.size());
    else
        read_all(file_.get(), buffer, offset);
}

Header read_header(const Source& source) {
    if (source.bytes() < sizeof(Header))
        corrupt("the file has " + std::to_string(source.bytes()) + " bytes, expected at least "
                + std::to_string(sizeof(Header)));
    const Header header = source.records<Header>(0, 1)[0];
    check_header(header, source.bytes());
    return header;
}

// 64-bit FNV-1a.
std::uint64_t identity_of(std::span<const std::byte> head) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte byte : head) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    return hash;
}

void check_sections(const Source& source, std::span<const SectionInfo> sections, std::uint64_t limit) {
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
        check_padding(source, section, limit);
    }
}

Array copied(const Source& source, const SectionInfo& section, std::uint64_t limit) {
    const auto memory = std::make_shared<std::vector<std::byte>>(section.bytes + alignment);
    void* start = memory->data();
    std::size_t room = memory->size();
    const std::span<std::byte> bytes(static_cast<std::byte*>(std::align(alignment, section.bytes, start, room)),
                                     section.bytes);
    source.read(section.offset, bytes);
    if (crc32(bytes) != section.checksum) fail_section(section, "checksum mismatch");
    check_padding(source, section, limit);
    return {section.dtype, bytes, memory, section.bulk};
}

}  // namespace fewbits::io
