#include "io/log_lock.h"

#include <cerrno>
#include <chrono>
#include <thread>
#if !defined(_WIN32)
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#endif

#include "base/error.h"
#include "base/locks.h"

namespace fewbits::io {
namespace {

constinit LogLock* first = nullptr;  // guarded by a BriefLock of its address
constexpr int most_trials = 100;

// A reader that asks whether a log is locked has it for a moment (is_held).
bool lock_soon(Handle file) {
    constexpr int trials = 20;
    constexpr std::chrono::milliseconds pause(1);
    for (int i = 0; i < trials; ++i) {
        if (lock_now(file)) return true;
        std::this_thread::sleep_for(pause);
    }
    return false;
}

[[noreturn]] void fail_locked() {
    throw Error(ErrorKind::io, "another index, of this or another process, writes to this path with sync", EWOULDBLOCK);
}

}  // namespace

// A child would otherwise keep the locks of its parent for as long as it lives. Its descriptors lead elsewhere instead:
// closing them would free their numbers for other files.
struct ForkHandler {
#if !defined(_WIN32)
    static void in_child() {
        const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (const LogLock* lock = first; lock != nullptr; lock = lock->after_)
            if (nowhere >= 0 && ::dup2(nowhere, lock->get()) >= 0) ::fcntl(lock->get(), F_SETFD, FD_CLOEXEC);
        if (nowhere >= 0) ::close(nowhere);
    }
#endif
};

#if !defined(_WIN32)
namespace {

[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, &ForkHandler::in_child);

}  // namespace
#endif

LogLock::LogLock(Descriptor file) : file_(std::move(file)), forks_(fork_count()) {
    link();
}

LogLock::LogLock(LogLock&& other) noexcept : forks_(other.forks_) {
    other.unlink();
    file_ = std::move(other.file_);
    link();
}

LogLock::~LogLock() {
    unlink();
}

void LogLock::link() noexcept {
    const BriefLock lock(&first);
    after_ = first;
    if (after_ != nullptr) after_->before_ = this;
    first = this;
}

void LogLock::unlink() noexcept {
    const BriefLock lock(&first);
    if (first == this) first = after_;
    if (before_ != nullptr) before_->after_ = after_;
    if (after_ != nullptr) after_->before_ = before_;
    before_ = after_ = nullptr;
}

bool LogLock::is_mine() const noexcept {
    return forks_ == fork_count();
}

bool LogLock::is_in(Handle folder, const std::string& name) const {
    return io::is_in(folder, name, file_.get());
}

std::optional<LogLock> LogLock::existing(Handle folder, const std::string& name) {
    for (int trial = 0; trial < most_trials; ++trial) {
        std::optional<Descriptor> file = open_in(folder, name);
        if (!file) return std::nullopt;
        if (!lock_soon(file->get())) fail_locked();
        LogLock lock(std::move(*file));
        if (lock.is_in(folder, name)) return lock;  // otherwise its owner has just removed it
    }
    fail_locked();
}

LogLock LogLock::created(Handle folder, const std::string& name) {
    std::optional<Descriptor> file = create_in(folder, name);
    if (!file) fail_locked();
    LogLock lock(std::move(*file));
    if (!lock_soon(lock.get()) || !lock.is_in(folder, name)) fail_locked();
    return lock;
}

bool LogLock::is_held(const Descriptor& log) {
    return log.is_open() && is_locked(log.get());
}

}  // namespace fewbits::io
