// The system calls of io/ as a test wants them answered: failing, interrupted, or doing a part of what was asked. The
// linker sends the library's calls here (--wrap in CMakeLists.txt), so what is tested is the code that ships. Outside
// an Answering every call goes to the system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace system_calls {

enum class Call { open, look, resize, write, read, mode, sync, rename };

struct Event {
    Call call;
    int fd;                        // 0 where there is none yet
    std::uint64_t offset;          // of writes and reads; the length of resize
    std::vector<std::byte> bytes;  // of writes
};

struct Answer {
    int error = 0;                          // fails with this errno, or
    std::size_t at_most = std::size_t(-1);  // writes and reads no more bytes than this
};

class Answering {
public:
    // answer: to the nth call, counted from 0. Syncs that do not fail are not passed on: tests need no disk to wait
    // for.
    explicit Answering(std::function<Answer(const Event&, std::size_t nth)> answer);
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    ~Answering();
    const std::vector<Event>& events() const { return events_; }

    Answer ask(Event event);  // for the calls themselves

private:
    std::function<Answer(const Event&, std::size_t)> answer_;
    std::vector<Event> events_;
};

}  // namespace system_calls
