#include "io/system_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace system_calls {
namespace {

Answering* active = nullptr;

}  // namespace

Answering::Answering(std::function<Answer(const Event&, std::size_t)> answer) : answer_(std::move(answer)) {
    active = this;
}

Answering::~Answering() {
    active = nullptr;
}

Answer Answering::ask(Event event) {
    const Answer answer = answer_(event, events_.size());
    if (answer.error == 0 && event.call == Call::write)
        event.bytes.resize(std::min(answer.at_most, event.bytes.size()));
    if (answer.error == 0)
        events_.push_back(std::move(event));
    else
        events_.push_back({event.call, event.fd, 0, {}});
    return answer;
}

namespace {

// Makes `call` with as many of the bytes as the test allows, or fails with its error.
template <class Result, class Go>
Result answered(Call call, int fd, std::uint64_t offset, const void* bytes, std::size_t count, Go go) {
    if (active == nullptr) return go(count);
    const auto* data = static_cast<const std::byte*>(bytes);
    const Answer answer =
        active->ask({call, fd, offset, bytes ? std::vector(data, data + count) : std::vector<std::byte>()});
    if (answer.error == 0) return go(std::min(count, answer.at_most));
    errno = answer.error;
    return -1;
}

}  // namespace
}  // namespace system_calls

using system_calls::answered;
using system_calls::Call;

extern "C" {

int __real_open(const char*, int, ...);
int __real_openat(int, const char*, int, ...);
int __real_fstatat(int, const char*, struct stat*, int);
int __real_ftruncate(int, off_t);
ssize_t __real_pwrite(int, const void*, std::size_t, off_t);
ssize_t __real_pread(int, void*, std::size_t, off_t);
int __real_fchmod(int, mode_t);
int __real_fsync(int);
int __real_fdatasync(int);
int __real_unlinkat(int, const char*, int);
int __real_renameat(int, const char*, int, const char*);

int __wrap_open(const char* path, int flags, ...) {
    return answered<int>(Call::open, 0, 0, nullptr, 0, [&](std::size_t) { return __real_open(path, flags); });
}

int __wrap_openat(int folder, const char* path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return answered<int>(Call::open, 0, 0, nullptr, 0,
                         [&](std::size_t) { return __real_openat(folder, path, flags, mode); });
}

int __wrap_fstatat(int folder, const char* path, struct stat* status, int flags) {
    return answered<int>(Call::look, folder, 0, nullptr, 0,
                         [&](std::size_t) { return __real_fstatat(folder, path, status, flags); });
}

int __wrap_ftruncate(int fd, off_t bytes) {
    return answered<int>(Call::resize, fd, static_cast<std::uint64_t>(bytes), nullptr, 0,
                         [&](std::size_t) { return __real_ftruncate(fd, bytes); });
}

ssize_t __wrap_pwrite(int fd, const void* bytes, std::size_t count, off_t offset) {
    return answered<ssize_t>(Call::write, fd, static_cast<std::uint64_t>(offset), bytes, count,
                             [&](std::size_t some) { return __real_pwrite(fd, bytes, some, offset); });
}

ssize_t __wrap_pread(int fd, void* bytes, std::size_t count, off_t offset) {
    return answered<ssize_t>(Call::read, fd, static_cast<std::uint64_t>(offset), nullptr, count,
                             [&](std::size_t some) { return __real_pread(fd, bytes, some, offset); });
}

int __wrap_fchmod(int fd, mode_t mode) {
    return answered<int>(Call::mode, fd, 0, nullptr, 0, [&](std::size_t) { return __real_fchmod(fd, mode); });
}

int __wrap_fsync(int fd) {
    return answered<int>(Call::sync, fd, 0, nullptr, 0,
                         [&](std::size_t) { return system_calls::active == nullptr ? __real_fsync(fd) : 0; });
}

int __wrap_fdatasync(int fd) {
    return answered<int>(Call::sync, fd, 0, nullptr, 0,
                         [&](std::size_t) { return system_calls::active == nullptr ? __real_fdatasync(fd) : 0; });
}

int __wrap_unlinkat(int folder, const char* path, int flags) {
    return answered<int>(Call::remove, folder, 0, nullptr, 0,
                         [&](std::size_t) { return __real_unlinkat(folder, path, flags); });
}

int __wrap_renameat(int from_folder, const char* from, int to_folder, const char* to) {
    return answered<int>(Call::rename, from_folder, 0, nullptr, 0,
                         [&](std::size_t) { return __real_renameat(from_folder, from, to_folder, to); });
}

}  // extern "C"
