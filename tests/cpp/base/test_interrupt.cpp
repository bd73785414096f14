// Work is stopped by its polls, in any thread and at any depth, and only the work of the caller.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "check.h"

using namespace fewbits;

namespace {

struct Pressed : std::runtime_error {
    Pressed() : std::runtime_error("pressed") {}
};

// Runs `work` so that its first check throws; returns whether it ended with that error.
template <class Work>
bool is_stopped(const Work& work) {
    const std::thread::id caller = std::this_thread::get_id();
    const Interrupt interrupt(
        [&] {
            CHECK(std::this_thread::get_id() == caller);
            throw Pressed();
        },
        [] { return true; });
    try {
        work();
    } catch (const Pressed&) {
        return true;
    }
    return false;
}

void for_ever() {
    for (;;) poll(1 << 16);
}

}  // namespace

TEST("interrupt: long tasks stop, on every thread") {
    for (const unsigned threads : {1u, 2u, 5u}) {
        CHECK(is_stopped([&] { parallel_for(8, threads, [](std::size_t, unsigned) { for_ever(); }); }));
        CHECK(is_stopped([&] {
            parallel_for(3, threads, [&](std::size_t, unsigned) {
                parallel_for(3, threads, [](std::size_t, unsigned) { for_ever(); });
            });
        }));
    }
}

TEST("interrupt: the caller hears it while it waits for the others") {
    CHECK(is_stopped([] {
        std::atomic<unsigned> first = 99;
        parallel_for(2, 2, [&](std::size_t, unsigned worker) {
            if (worker != 0) for_ever();
            first = worker;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that the other one takes its task
        });
    }));
}

TEST("interrupt: many short tasks stop between two of them") {
    std::atomic<std::size_t> done = 0;
    CHECK(is_stopped([&] {
        parallel_for(1'000'000, 2, [&](std::size_t, unsigned) {
            ++done;
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        });
    }));
    CHECK(done < 100'000);
}

TEST("interrupt: short work, other work and later work go on") {
    std::atomic<int> done = 0;
    const auto count = [&](std::size_t, unsigned) {
        ++done;
        poll();
        poll(std::size_t{1} << 40);
    };
    // Work is short if it ends before the first check is due, which a busy or emulated machine may prevent.
    bool stopped = true, in_time = false;
    for (int trial = 0; trial < 1000 && !in_time; ++trial) {
        done = 0;
        const auto start = std::chrono::steady_clock::now();
        stopped = is_stopped([&] { parallel_for(100, 3, count); });
        in_time = std::chrono::steady_clock::now() - start < std::chrono::milliseconds(100);
    }
    REQUIRE(in_time);
    CHECK(!stopped);
    CHECK_EQ(done.load(), 100);
    CHECK(is_stopped([] { for_ever(); }));
    parallel_for(100, 3, count);
    CHECK_EQ(done.load(), 200);
    CHECK(Interrupt::current() == nullptr);
}

TEST("interrupt: one inside another, and what another error does") {
    bool inner = false;
    CHECK(is_stopped([&] {
        inner = is_stopped([] { for_ever(); });
        for_ever();
    }));
    CHECK(inner);
    for (const unsigned threads : {1u, 4u}) {
        bool caught = false;
        const Interrupt interrupt([] {}, [] { return false; });
        try {
            parallel_for(100, threads, [](std::size_t task, unsigned) {
                poll();
                if (task == 7) throw std::logic_error("seven");
            });
        } catch (const std::logic_error&) {
            caught = true;
        }
        CHECK(caught);
    }
}

TEST("interrupt: handlers do not run under a lock, which is left first") {
    for (const unsigned threads : {1u, 3u}) {
        bool pending = false, under_lock = false;
        const Interrupt interrupt([&] { CHECK(!under_lock); }, [&] { return under_lock; });
        try {
            under_lock = true;
            const UnderLock held;
            parallel_for(3, threads, [](std::size_t, unsigned) { for_ever(); });
        } catch (const Pending&) {
            pending = true;
        }
        CHECK(pending);
    }
}
