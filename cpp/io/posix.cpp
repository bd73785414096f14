#include "io/posix.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/error.h"
#include "io/stale.h"

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
    if (fd_ >= 0) ::close(fd_);
}

Descriptor open_file(const std::string& path) {
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    Descriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
    if (file.get() < 0) fail_errno("cannot open");
    return file;
}

Descriptor open_folder(const std::string& path) {
    Descriptor folder(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (folder.get() < 0) fail_errno("cannot open folder '" + path + "'");
    return folder;
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

void keep_owner(int fd, unsigned user, unsigned group) {
    if (retry([&] { return ::fchown(fd, user, group); }) == 0) return;
    static_cast<void>(retry([&] { return ::fchown(fd, static_cast<uid_t>(-1), group); }) == 0);
}

void resize_file(int fd, std::uint64_t bytes) {
    if (retry([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) != 0)
        fail_errno("cannot resize the file to " + std::to_string(bytes) + " bytes");
}

void set_permissions(int fd, unsigned mode) {
    if (retry([&] { return ::fchmod(fd, static_cast<mode_t>(mode)); }) != 0) fail_errno("cannot set permissions");
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
    if (retry([&] { return ::fsync(fd); }) != 0) fail_errno("cannot fsync");
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
