#include "base/interrupt.h"

#include <utility>

namespace fewbits {
namespace {

constexpr std::chrono::milliseconds between_checks{100};
constexpr std::size_t between_polls = std::size_t{1} << 22;  // bytes: a few milliseconds at most

thread_local Interrupt* current_interrupt = nullptr;
thread_local std::size_t bytes_since_poll = 0;
thread_local unsigned locks_held = 0;

}  // namespace

Interrupt::Interrupt(std::function<void()> check, std::function<bool()> is_pending)
    : check_(std::move(check)),
      is_pending_(std::move(is_pending)),
      due_(Clock::now() + between_checks),
      outer_(std::exchange(current_interrupt, this)) {}

Interrupt::~Interrupt() {
    current_interrupt = outer_;
}

Interrupt* Interrupt::current() {
    return current_interrupt;
}

void Interrupt::join(Interrupt* of_caller) {
    current_interrupt = of_caller;
}

void Interrupt::poll() {
    if (stopped_.load(std::memory_order_relaxed)) throw Stopped{};
    if (std::this_thread::get_id() != owner_ || Clock::now() < due_) return;
    try {
        check();
    } catch (...) {
        stopped_.store(true, std::memory_order_relaxed);
        throw;
    }
    due_ = Clock::now() + between_checks;
}

void Interrupt::check() {
    if (locks_held == 0)
        check_();
    else if (is_pending_())
        throw Pending{};
}

UnderLock::UnderLock() {
    ++locks_held;
}

UnderLock::~UnderLock() {
    --locks_held;
}

void poll() {
    if (current_interrupt) current_interrupt->poll();
}

void poll(std::size_t bytes) {
    bytes_since_poll += bytes;
    if (bytes_since_poll < between_polls) return;
    bytes_since_poll = 0;
    poll();
}

}  // namespace fewbits
