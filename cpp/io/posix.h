// POSIX file calls with errors as exceptions (Error(io) with errno) and no leaks. Every call retries after EINTR and
// continues short transfers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace fewbits::io {

[[noreturn]] void fail_errno(const std::string& what);  // from errno
[[noreturn]] void fail_errno(const std::string& what, int error_number);

class Descriptor {
public:
    explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

Descriptor open_file(const std::string& path);  // read-only; never blocks, even on a FIFO
Descriptor open_folder(const std::string& path);

constexpr unsigned private_mode = 0600;

// A new, empty file `.<stem>.<pid>.<random>.tmp` in a folder, with permissions `mode` less the umask. The destructor
// unlinks it unless it has been renamed.
class Temporary {
public:
    Temporary(int folder, const std::string& stem, unsigned mode);
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary();
    int get() const noexcept { return file_.get(); }
    void rename_to(const std::string& name);  // atomically replaces any file with that name
    Descriptor take() noexcept { return std::move(file_); }

private:
    int folder_;
    std::string name_;  // empty once renamed
    Descriptor file_;
};

// A file that only this process can open.
Descriptor nameless_file(int folder, const std::string& stem);

void keep_owner(int fd, unsigned user, unsigned group);  // as far as permissions allow
void resize_file(int fd, std::uint64_t bytes);
void set_permissions(int fd, unsigned mode);
void write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset);
// Throws Error(corrupt) if the file ends before the buffer is full.
void read_all(int fd, std::span<std::byte> buffer, std::uint64_t offset);
void sync_file(int fd);
void sync_folder(int fd);

// A read-only shared mapping of the first `bytes` (> 0) of a file; a page-aligned copy of these bytes in memory; and
// such a copy of bytes that are already in memory.
std::shared_ptr<const void> map_file(int fd, std::size_t bytes);
std::shared_ptr<const void> load_file(int fd, std::size_t bytes);
std::shared_ptr<const void> copy_bytes(std::span<const std::byte> bytes);

}  // namespace fewbits::io
