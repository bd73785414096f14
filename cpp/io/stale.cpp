#include "io/stale.h"

#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <random>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "io/posix.h"

namespace fewbits::io {
namespace {

constexpr std::string_view ending = ".tmp";

std::string start_of(const std::string& stem) {
    static constexpr std::size_t longest = 200;  // file names are limited to 255 bytes
    return std::string(1, '.').append(stem, 0, longest).append(1, '.');
}

// Whether temporary_name could have returned `name` for the stem from which `start` was made.
bool is_temporary(std::string_view name, std::string_view start) {
    if (!name.starts_with(start) || !name.ends_with(ending)) return false;
    name.remove_prefix(start.size());
    const std::size_t dot = name.find('.');
    const auto digits = [](std::string_view text, std::string_view allowed) {
        return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
    };
    return dot != std::string_view::npos && digits(name.substr(0, dot), "0123456789")
           && name.size() == dot + 17 + ending.size() && digits(name.substr(dot + 1, 16), "0123456789abcdef");
}

std::vector<std::string> temporaries(int folder, const std::string& stem) {
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
    const std::string start = start_of(stem);
    while (const dirent* entry = ::readdir(entries.get()))
        if (is_temporary(entry->d_name, start)) names.emplace_back(entry->d_name);
    return names;
}

}  // namespace

std::string temporary_name(const std::string& stem) {
    char tail[48];
    std::random_device random;
    std::snprintf(tail, sizeof tail, "%ld.%08x%08x", static_cast<long>(::getpid()), random(), random());
    return start_of(stem).append(tail).append(ending);
}

bool lock_temporary(int fd) {
    while (::flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    struct stat status{};
    return ::fstat(fd, &status) != 0 || status.st_nlink > 0;
}

void remove_stale(int folder, const std::string& stem) noexcept try {
    for (const std::string& name : temporaries(folder, stem)) {
        const Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0));
        if (file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, name.c_str(), 0);
    }
} catch (...) {  // the next save tries again
}

}  // namespace fewbits::io
