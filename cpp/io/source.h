// A file of arbitrary contents, on disk or in memory, and the checks of its sections. Checks read through the
// descriptor (or the copy in memory), never through the mapping: a failing disk then causes an exception instead of a
// signal, and opening reads only what is checked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/format.h"
#include "io/system.h"

namespace fewbits::io {

class Source {
public:
    explicit Source(const std::string& path);          // Error(io) unless it is a regular file
    explicit Source(std::span<const std::byte> file);  // copies the bytes
    // As the first, but nothing if the file does not exist.
    static std::optional<Source> existing(const std::string& path);

    std::uint64_t bytes() const { return bytes_; }
    const Descriptor& descriptor() const { return file_; }
    bool same_file(const std::string& path) const;  // whether the path still leads to this file, of this length
    void load();                                    // reads the whole file into memory
    std::shared_ptr<const void> share(std::uint64_t bytes) const;  // the first bytes (> 0), mapped or in memory

    void read(std::uint64_t offset, std::span<std::byte> buffer) const;
    template <class T>
    std::vector<T> records(std::uint64_t offset, std::size_t count) const {
        std::vector<T> found(count);
        read(offset, std::as_writable_bytes(std::span(found)));
        return found;
    }

private:
    explicit Source(Descriptor file);

    Descriptor file_;
    std::uint64_t bytes_ = 0;
    std::shared_ptr<const void> memory_;
};

Header read_header(const Source& source);
// Of the header and the section table, which determine the contents of a file: a log belongs to files of its identity.
std::uint64_t identity_of(std::span<const std::byte> head);

// Verifies checksums, and padding as far as `limit`, piece by piece in parallel.
void check_sections(const Source& source, std::span<const SectionInfo> sections, std::uint64_t limit);
// A private copy of a section, checked after copying, so that later writes to a mapped file do not affect it.
Array copied(const Source& source, const SectionInfo& section, std::uint64_t limit);

}  // namespace fewbits::io
