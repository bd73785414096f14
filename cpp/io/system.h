// File calls of the operating system (posix.cpp, windows.cpp) with errors as exceptions (Error(io) with errno) and no
// leaks. Every call retries if it was interrupted and continues short transfers. Paths and names are UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fewbits::io {

[[noreturn]] void fail_errno(const std::string& what);  // from errno
[[noreturn]] void fail_errno(const std::string& what, int error_number);

#if defined(_WIN32)
using Handle = void*;
inline const Handle no_handle = reinterpret_cast<void*>(-1);
#else
using Handle = int;
constexpr Handle no_handle = -1;
#endif

// An open file or folder.
class Descriptor {
public:
    explicit Descriptor(Handle fd = no_handle) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, no_handle)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    Handle get() const noexcept { return fd_; }
    bool is_open() const noexcept { return fd_ != no_handle; }

private:
    Handle fd_;
};

Descriptor open_file(const std::string& path);  // read-only; never blocks, even on a FIFO
std::uint64_t regular_file_bytes(Handle file);  // throws unless it is a regular file
Descriptor open_folder(const std::string& path);
// A file of a folder for reading and writing, or nothing if there is none of this name.
std::optional<Descriptor> open_in(Handle folder, const std::string& name);
std::optional<Descriptor> create_in(Handle folder, const std::string& name);  // nothing if there is one already
void remove_in(Handle folder, const std::string& name);
// Whether it is this very file that the folder has under the name, or the path leads to.
bool is_in(Handle folder, const std::string& name, Handle file) noexcept;
bool leads_to(const std::string& path, Handle file) noexcept;

constexpr unsigned private_mode = 0600;

// A new, empty file `.<stem>.<pid>.<random>.tmp` in a folder, with permissions `mode` less the umask. The destructor
// unlinks it unless it has been renamed.
class Temporary {
public:
    Temporary(Handle folder, const std::string& stem, unsigned mode);
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    ~Temporary();
    Handle get() const noexcept { return file_.get(); }
    void rename_to(const std::string& name);  // atomically replaces any file with that name
    Descriptor take() noexcept { return std::move(file_); }

private:
    Handle folder_;
    std::string name_;  // empty once renamed
    Descriptor file_;
};

// A file that only this process can open.
Descriptor nameless_file(Handle folder, const std::string& stem);

// Who may use a file.
struct Permissions {
    unsigned user = 0, group = 0, mode = 0;
};

// Those of the file to be replaced, if there is one. Throws if it is not a regular file.
std::optional<Permissions> permissions_of_replaced(Handle folder, const std::string& name);
// Those of a new file. The umask cannot be read without changing it, so an empty file is created instead.
Permissions usual_permissions(Handle folder, const std::string& name);
void set_permissions(Handle file, const Permissions& permissions);
// Takes over owner and permissions, as far as allowed. If the group cannot be kept, the new group gets no access.
void keep_permissions(Handle file, const Permissions& old);

// What stale.h needs.
std::vector<std::string> names_in(Handle folder);  // of files, or none if the folder cannot be read
bool lock_temporary(Handle file);                  // a new file; false if another save has removed it as stale
void remove_if_unlocked(Handle folder, const std::string& name);  // ignores errors

// A lock of a whole file, which ends with the process at the latest. False if another holds it.
bool lock_now(Handle file);
bool is_locked(Handle file) noexcept;

void resize_file(Handle file, std::uint64_t bytes);
void write_all(Handle file, std::span<const std::byte> bytes, std::uint64_t offset);
// Throws Error(corrupt) if the file ends before the buffer is full.
void read_all(Handle file, std::span<std::byte> buffer, std::uint64_t offset);
void sync_file(Handle file);
void sync_data(Handle file);  // contents and length
void sync_folder(Handle folder);

// A read-only shared mapping of the first `bytes` (> 0) of a file; a page-aligned copy of these bytes in memory; and
// such a copy of bytes that are already in memory.
std::shared_ptr<const void> map_file(Handle file, std::size_t bytes);
std::shared_ptr<const void> load_file(Handle file, std::size_t bytes);
std::shared_ptr<const void> copy_bytes(std::span<const std::byte> bytes);

}  // namespace fewbits::io
