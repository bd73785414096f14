// The one exception type of the core. Kinds correspond one to one to Python exceptions (bindings/errors.cpp).
#pragma once

#include <stdexcept>
#include <string>

namespace fewbits {

enum class ErrorKind {
    invalid_argument,  // ValueError: what, got, expected
    corrupt,           // CorruptIndexError: section and offset
    version,           // FormatVersionError: both versions
    io,                // OSError: carries errno
};

class Error : public std::runtime_error {
public:
    Error(ErrorKind kind, const std::string& message, int error_number = 0)
        : std::runtime_error(message), kind_(kind), errno_(error_number) {}
    ErrorKind kind() const noexcept { return kind_; }
    int error_number() const noexcept { return errno_; }

private:
    ErrorKind kind_;
    int errno_;
};

[[noreturn]] inline void fail(const std::string& message) {
    throw Error(ErrorKind::invalid_argument, message);
}

[[noreturn]] inline void corrupt(const std::string& message) {
    throw Error(ErrorKind::corrupt, message);
}

inline void require(bool condition, const char* message) {
    if (!condition) fail(message);
}

}  // namespace fewbits
