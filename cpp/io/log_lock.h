// The lock of a log, which one index at a time has while it writes to a path. The system releases it however the
// process ends. A forked child does not have it.
#pragma once

#include <optional>
#include <string>

#include "io/system.h"

namespace fewbits::io {

class LogLock {
public:
    // The lock of the log `name` in a folder, or nothing if there is no such log. Throws Error(io) with EWOULDBLOCK if
    // another index has it.
    static std::optional<LogLock> existing(Handle folder, const std::string& name);
    static LogLock created(Handle folder, const std::string& name);  // of a new, empty log
    static bool is_held(const Descriptor& log);                      // by anyone

    LogLock(LogLock&& other) noexcept;
    LogLock& operator=(LogLock&& other) = delete;
    ~LogLock();

    Handle get() const noexcept { return file_.get(); }
    bool is_mine() const noexcept;  // false after a fork
    // Whether the folder still has this log.
    bool is_in(Handle folder, const std::string& name) const;

private:
    explicit LogLock(Descriptor file);
    void link() noexcept;
    void unlink() noexcept;

    Descriptor file_;
    std::uint64_t forks_;
    LogLock *before_ = nullptr, *after_ = nullptr;  // all locks of this process
    friend struct ForkHandler;
};

}  // namespace fewbits::io
