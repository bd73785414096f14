// The calls of system.h on POSIX systems.

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <new>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "io/stale.h"
#include "io/system.h"

namespace fewbits::io {
namespace {

template <class Call>
auto retry(Call call) {
    for (;;) {
        const auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

std::shared_ptr<const void> own_mapping(void* start, std::size_t bytes) {
    return {start, [bytes](void* mapped) { ::munmap(mapped, bytes); }};
}

}  // namespace

void fail_errno(const std::string& what, int error_number) {
    throw Error(ErrorKind::io, what + ": " + std::generic_category().message(error_number), error_number);
}

void fail_errno(const std::string& what) {
    fail_errno(what, errno);
}

Descriptor::~Descriptor() {
    if (is_open()) ::close(fd_);
}

Descriptor open_file(const std::string& path) {
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    Descriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
    if (file.get() < 0) fail_errno("cannot open");
    return file;
}

std::uint64_t regular_file_bytes(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) fail_errno("cannot open");
    if (S_ISDIR(status.st_mode)) fail_errno("cannot open", EISDIR);
    if (!S_ISREG(status.st_mode)) fail_errno("not a regular file", EINVAL);
    return static_cast<std::uint64_t>(status.st_size);
}

Descriptor open_folder(const std::string& path) {
    Descriptor folder(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (folder.get() < 0) fail_errno("cannot open folder '" + path + "'");
    return folder;
}

std::optional<Descriptor> open_in(Handle folder, const std::string& name) {
    Descriptor file(
        retry([&] { return ::openat(folder, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0); }));
    if (file.get() >= 0) return file;
    if (errno != ENOENT && errno != ENAMETOOLONG) fail_errno("cannot open the log");
    return std::nullopt;
}

std::optional<Descriptor> create_in(Handle folder, const std::string& name) {
    Descriptor file(
        retry([&] { return ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, private_mode); }));
    if (file.get() >= 0) return file;
    if (errno != EEXIST) fail_errno("cannot create the log");
    return std::nullopt;
}

void remove_in(Handle folder, const std::string& name) {
    if (::unlinkat(folder, name.c_str(), 0) != 0) fail_errno("cannot remove the log");
}

namespace {

bool same(const struct stat& x, const struct stat& y) {
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

}  // namespace

bool is_in(Handle folder, const std::string& name, Handle file) noexcept {
    struct stat own{}, there{};
    return ::fstat(file, &own) == 0 && ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0
           && same(own, there);
}

bool leads_to(const std::string& path, Handle file) noexcept {
    struct stat own{}, there{};
    return ::fstat(file, &own) == 0 && ::stat(path.c_str(), &there) == 0 && same(own, there);
}

Temporary::Temporary(int folder, const std::string& stem, unsigned mode) : folder_(folder) {
    constexpr int most_trials = 100;  // one fails if the name exists, or if another save removed the file as stale
    for (int trial = 0; trial < most_trials; ++trial) {
        name_ = temporary_name(stem);
        file_ = Descriptor(
            retry([&] { return ::openat(folder_, name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode); }));
        if (file_.get() >= 0 && lock_temporary(file_.get())) return;
        if (file_.get() < 0 && errno != EEXIST) break;
    }
    name_.clear();
    fail_errno("cannot create a temporary file in the folder");
}

Temporary::~Temporary() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
}

void Temporary::rename_to(const std::string& name) {
    if (::renameat(folder_, name_.c_str(), folder_, name.c_str()) != 0) fail_errno("cannot rename the temporary file");
    name_.clear();
}

Descriptor nameless_file(int folder, const std::string& stem) {
#if defined(O_TMPFILE)
    Descriptor file(retry([&] { return ::openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, private_mode); }));
    const bool unknown = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT;
    if (file.get() >= 0) return file;
    if (!unknown) fail_errno("cannot create a temporary file in the folder");
#endif
    return Temporary(folder, stem, private_mode).take();
}

std::optional<Permissions> permissions_of_replaced(int folder, const std::string& name) {
    struct stat status{};
    if (::fstatat(folder, name.c_str(), &status, 0) != 0) {
        if (errno == ENOENT) return std::nullopt;
        fail_errno("cannot stat the target");
    }
    if (S_ISDIR(status.st_mode)) fail_errno("the target is a folder", EISDIR);
    if (!S_ISREG(status.st_mode)) fail_errno("the target is not a regular file", EINVAL);
    return Permissions{status.st_uid, status.st_gid, status.st_mode};
}

namespace {

Permissions permissions_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) fail_errno("cannot stat the temporary file");
    return {status.st_uid, status.st_gid, status.st_mode & 0777u};
}

void keep_owner(int fd, unsigned user, unsigned group) {
    if (retry([&] { return ::fchown(fd, user, group); }) == 0) return;
    static_cast<void>(retry([&] { return ::fchown(fd, static_cast<uid_t>(-1), group); }) == 0);
}

}  // namespace

Permissions usual_permissions(int folder, const std::string& name) {
    constexpr unsigned everyone = 0666;
    return permissions_of(Temporary(folder, name, everyone).get());
}

void set_permissions(int fd, const Permissions& permissions) {
    if (retry([&] { return ::fchmod(fd, static_cast<mode_t>(permissions.mode)); }) != 0)
        fail_errno("cannot set permissions");
}

void keep_permissions(int fd, const Permissions& old) {
    keep_owner(fd, old.user, old.group);
    const unsigned allowed = permissions_of(fd).group == old.group ? 0777 : 0707;
    set_permissions(fd, {old.user, old.group, old.mode & allowed});
}

std::vector<std::string> names_in(int folder) {
    std::vector<std::string> names;
    const int fd = ::fcntl(folder, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return names;
    const auto close = [](DIR* opened) { ::closedir(opened); };
    const std::unique_ptr<DIR, decltype(close)> entries(::fdopendir(fd), close);
    if (!entries) {
        ::close(fd);
        return names;
    }
    ::rewinddir(entries.get());
    while (const dirent* entry = ::readdir(entries.get())) names.emplace_back(entry->d_name);
    return names;
}

bool lock_temporary(int fd) {
    while (::flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    struct stat status{};
    return ::fstat(fd, &status) != 0 || status.st_nlink > 0;
}

void remove_if_unlocked(int folder, const std::string& name) {
    const Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0));
    if (file.is_open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, name.c_str(), 0);
}

bool lock_now(int fd) {
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return false;
        if (errno != EINTR) fail_errno("cannot lock the log");
    }
    return true;
}

bool is_locked(int fd) noexcept {
    if (::flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
    ::flock(fd, LOCK_UN);
    return false;
}

void resize_file(int fd, std::uint64_t bytes) {
    if (retry([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) != 0)
        fail_errno("cannot resize the file to " + std::to_string(bytes) + " bytes");
}

void write_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t done =
            retry([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
        if (done < 0) fail_errno("cannot write at offset " + std::to_string(offset));
        if (done == 0) fail_errno("cannot write at offset " + std::to_string(offset), EIO);
        bytes = bytes.subspan(static_cast<std::size_t>(done));
        offset += static_cast<std::uint64_t>(done);
    }
}

void read_all(int fd, std::span<std::byte> buffer, std::uint64_t offset) {
    while (!buffer.empty()) {
        const ssize_t done =
            retry([&] { return ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset)); });
        if (done < 0) fail_errno("cannot read at offset " + std::to_string(offset));
        if (done == 0) corrupt("the file ends at offset " + std::to_string(offset));
        buffer = buffer.subspan(static_cast<std::size_t>(done));
        offset += static_cast<std::uint64_t>(done);
    }
}

void sync_file(int fd) {
#if defined(F_FULLFSYNC)  // macOS: fsync does not reach the disk itself, and some file systems have nothing better
    if (retry([&] { return ::fcntl(fd, F_FULLFSYNC); }) == 0) return;
#endif
    if (retry([&] { return ::fsync(fd); }) != 0) fail_errno("cannot fsync");
}

void sync_data(int fd) {
#if defined(__APPLE__)
    sync_file(fd);
#else
    if (retry([&] { return ::fdatasync(fd); }) != 0) fail_errno("cannot fdatasync");
#endif
}

void sync_folder(int fd) {
    // EINVAL: the file system does not support fsync of a folder.
    if (retry([&] { return ::fsync(fd); }) != 0 && errno != EINVAL) fail_errno("cannot fsync the folder");
}

std::shared_ptr<const void> map_file(int fd, std::size_t bytes) {
    void* start = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED) fail_errno("cannot map");
    return own_mapping(start, bytes);
}

namespace {

// Read-only memory of `bytes` (> 0), initialised by `fill`.
template <class Fill>
std::shared_ptr<const void> filled(std::size_t bytes, Fill fill) {
    void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) throw std::bad_alloc();
    std::shared_ptr<const void> memory = own_mapping(start, bytes);
    fill(std::span(static_cast<std::byte*>(start), bytes));
    ::mprotect(start, bytes, PROT_READ);
    return memory;
}

}  // namespace

std::shared_ptr<const void> load_file(int fd, std::size_t bytes) {
    return filled(bytes, [&](std::span<std::byte> memory) { read_all(fd, memory, 0); });
}

std::shared_ptr<const void> copy_bytes(std::span<const std::byte> bytes) {
    return filled(bytes.size(),
                  [&](std::span<std::byte> memory) { std::copy(bytes.begin(), bytes.end(), memory.begin()); });
}

}  // namespace fewbits::io
