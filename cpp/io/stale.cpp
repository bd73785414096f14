#include "io/stale.h"

#include <cstdio>
#include <random>
#include <string_view>
#if defined(_WIN32)
#include <process.h>
#else
#include <unistd.h>
#endif

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

}  // namespace

std::string temporary_name(const std::string& stem) {
    char tail[48];
    std::random_device random;
    std::snprintf(tail, sizeof tail, "%ld.%08x%08x", static_cast<long>(::getpid()), random(), random());
    return start_of(stem).append(tail).append(ending);
}

void remove_stale(Handle folder, const std::string& stem) noexcept try {
    const std::string start = start_of(stem);
    for (const std::string& name : names_in(folder))
        if (is_temporary(name, start)) remove_if_unlocked(folder, name);
} catch (...) {  // the next save tries again
}

}  // namespace fewbits::io
