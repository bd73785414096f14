// The system calls of io/ answered by a test: failing, interrupted, or completing in part. The linker redirects the
// library's calls here (--wrap in CMakeLists.txt), so the tested code is the code that is shipped. Without an
// Answering, every call goes to the system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace system_calls {

enum class Call { open, look, resize, write, read, mode, sync, rename, remove };

struct Event {
    Call call;
    int fd;                        // 0 if there is none yet
    std::uint64_t offset;          // of writes and reads; the length of resize
    std::vector<std::byte> bytes;  // of writes only
};

struct Answer {
    int error = 0;                          // fails with this errno, or
    std::size_t at_most = std::size_t(-1);  // limit on the bytes written or read
};

class Answering {
public:
    // answer: called for the nth call, counted from 0. Syncs that do not fail are not passed on, so that tests do not
    // wait for a disk.
    explicit Answering(std::function<Answer(const Event&, std::size_t nth)> answer);
    Answering(const Answering&) = delete;
    Answering& operator=(const Answering&) = delete;
    ~Answering();
    const std::vector<Event>& events() const { return events_; }

    Answer ask(Event event);  // used by the wrapped calls

private:
    std::function<Answer(const Event&, std::size_t)> answer_;
    std::vector<Event> events_;
};

}  // namespace system_calls
