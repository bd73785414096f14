#include <chrono>
#include <memory>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/locks.h"
#include "check.h"

using namespace fewbits;

namespace {

// Whether `work` returns true in a child that is forked while another thread holds the locks that `hold` takes.
template <class Hold, class Work>
bool in_child(Hold hold, Work work) {
    std::atomic<bool> held = false, over = false;
    std::thread holder([&] {
        const auto lock = hold();
        held = true;
        while (!over) std::this_thread::yield();
    });
    while (!held) std::this_thread::yield();
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::_exit(work() ? 0 : 1);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    over = true;
    holder.join();
    return status == 0;
}

TEST("locks: a lazy value is made once, and again after the making failed") {
    Lazy<int> lazy;
    bool thrown = false;
    try {
        lazy.get([]() -> int { throw std::runtime_error("not yet"); });
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    CHECK(thrown);
    CHECK(lazy.made() == nullptr);
    std::atomic<int> makings = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                CHECK_EQ(lazy.get([&] {
                    ++makings;
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));
                    return 7;
                }),
                         7);
            });
    }
    CHECK_EQ(makings.load(), 1);
    CHECK_EQ(lazy.offer(std::make_unique<const int>(8)), 7);
}

TEST("locks: a turn is for one, and ends with its object in any thread") {
    Turns turns;
    auto turn = turns.take(0);
    CHECK(turn != nullptr);
    CHECK(turns.is_mine());
    std::thread([&] {
        CHECK(!turns.is_mine());
        CHECK(turns.take(0.01) == nullptr);
        turn.reset();
    }).join();
    CHECK(!turns.is_mine());
    CHECK(turns.take(0) != nullptr);
}

TEST("locks: a forked child has every lock free") {
    ForkMutex mutex;
    CHECK(in_child([&] { return mutex.lock(); }, [&] { return mutex.lock().owns_lock(); }));
    Lazy<int> lazy;
    CHECK(in_child(
        [&] {
            return std::make_unique<std::jthread>([&] {
                lazy.get([&] {
                    std::this_thread::sleep_for(std::chrono::milliseconds(200));
                    return 1;
                });
            });
        },
        [&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            return lazy.get([] { return 2; }) > 0;
        }));
    Turns turns;
    CHECK(in_child([&] { return turns.take(1); }, [&] { return turns.take(1) != nullptr; }));
    CHECK(turns.take(1) != nullptr);
}

}  // namespace
