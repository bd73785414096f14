// What a file and its log hold together, and how the arrays of an index are made of their sections.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/log_format.h"

namespace fewbits::io {

// The path with symbolic links resolved; the final target need not exist. A log lies beside the final target.
std::string followed(const std::string& path);
// Paths are UTF-8 everywhere but in the calls of the standard library.
std::filesystem::path native(const std::string& path);
std::string utf8(const std::filesystem::path& path);

// An index file as it is opened: consistent, even if another process saves to the path meanwhile.
class Contents {
public:
    explicit Contents(const std::string& path);
    Contents(std::span<const std::byte> file, std::span<const std::byte> log);

    const FileInfo& info() const { return info_; }  // of the file alone
    const Log& log() const { return log_; }
    std::uint64_t log_bytes() const { return log_source_ ? log_source_->bytes() : 0; }
    const std::vector<Stored>& sections() const { return sections_; }  // of all arrays and of the params
    std::vector<std::byte> bytes_of(const Stored& section) const;      // as they are stored

    Parts parts(bool mapped, Verify verify);
    void verify() const;  // every byte of the file, and of the log if it belongs to it

private:
    void read();
    bool changed(const std::string& path) const;
    const Source& source(const Stored& section) const { return section.in_file ? *file_ : *log_source_; }
    std::uint64_t limit(const Stored& section) const { return section.in_file ? file_->bytes() : log_.end; }
    Array assembled(std::span<const Stored> sections, bool mapped, std::uint64_t& room);
    const std::shared_ptr<const void>& shared(bool in_file);

    std::optional<Source> log_source_;  // opened before the file: see Contents(path)
    std::optional<Source> file_;
    FileInfo info_{};
    Log log_;
    std::vector<Stored> sections_;
    std::shared_ptr<const void> shared_file_, shared_log_;
};

}  // namespace fewbits::io
