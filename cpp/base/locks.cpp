#include "base/locks.h"

#include <array>
#include <chrono>
#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace fewbits {
namespace {

// Shared by all objects: a fork could not find the mutexes of individual objects.
#if defined(_WIN32)
std::array<std::mutex, 16> brief;  // its constructor may do something there
#else
constinit std::array<std::mutex, 16> brief;
#endif
constinit std::atomic<std::uint64_t> forks = 0;

#if !defined(_WIN32)  // which has no forks

void lock_all() {
    for (std::mutex& mutex : brief) mutex.lock();
}

void unlock_all() {
    for (std::mutex& mutex : brief) mutex.unlock();
}

void in_child() {
    forks.fetch_add(1, std::memory_order_relaxed);
    unlock_all();
}

[[maybe_unused]] const int registered = ::pthread_atfork(lock_all, unlock_all, in_child);

#endif

}  // namespace

std::uint64_t fork_count() {
    return forks.load(std::memory_order_relaxed);
}

BriefLock::BriefLock(const void* of) : lock_(brief[reinterpret_cast<std::uintptr_t>(of) / 64 % brief.size()]) {}

std::unique_lock<std::mutex> ForkMutex::lock() {
    auto fresh = std::make_unique<std::mutex>();
    std::mutex* mutex = nullptr;
    {
        const BriefLock brief_lock(this);
        // A mutex from before a fork may be locked for ever, and is left as it is.
        if (mutex_ == nullptr || forks_ != fork_count()) mutex_ = fresh.release();
        forks_ = fork_count();
        mutex = mutex_;
    }
    return std::unique_lock(*mutex);
}

void Turns::Turn::end() noexcept {
    if (!line_) return;
    {
        const std::lock_guard lock(line_->mutex);
        line_->taken = false;
    }
    line_->free.notify_one();
    line_.reset();
}

// A new one after a fork: the mutex of the old one may be locked for ever, and its owner gone.
std::shared_ptr<Turns::Line> Turns::line() const {
    auto fresh = std::make_shared<Line>();
    const BriefLock lock(this);
    if (line_->forks != fork_count()) line_.swap(fresh);
    return line_;
}

bool Turns::is_mine() const {
    const auto line = this->line();
    const std::lock_guard lock(line->mutex);
    return line->taken && line->owner == std::this_thread::get_id();
}

std::unique_ptr<Turns::Turn> Turns::take(double seconds) {
    auto line = this->line();
    auto turn = std::make_unique<Turn>();
    std::unique_lock lock(line->mutex);
    if (!line->free.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return !line->taken; }))
        return nullptr;
    line->taken = true;
    line->owner = std::this_thread::get_id();
    lock.unlock();
    turn->line_ = std::move(line);
    return turn;
}

}  // namespace fewbits
