// A disk that fails, is full, is interrupted or completes calls in part, at every system call of a save: the path holds
// the whole old file or the whole new one, and no temporary file remains. And a power loss at every system call, after
// which any part of what was not yet synced may be lost.
#include <cerrno>
#include <optional>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "index/models.h"
#include "io/system_calls.h"
#include "io_fixture.h"

namespace {

using namespace io_fixture;
using namespace system_calls;

Parts sized_parts(std::uint8_t value, std::size_t bytes = 2'500'000) {
    Parts parts;
    parts.arrays["seg0.codes"] = make_bulk(DType::u8, std::vector<std::uint8_t>(bytes, value));
    return parts;
}

Answer no_answer(const Event&, std::size_t) {
    return {};
}

// The calls of a save over an old file.
std::vector<Event> events_of_a_save(const Parts& parts) {
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    const Answering recording(no_answer);
    write_file(folder.file("a"), parts);
    return recording.events();
}

TEST("disk: every call of a save fails, with every error: the old file or the new one, whole") {
    const std::vector<Event> calls = events_of_a_save(sized_parts(2));
    const std::size_t renamed =
        static_cast<std::size_t>(std::ranges::find(calls, Call::rename, &Event::call) - calls.begin());
    REQUIRE(renamed + 2 == calls.size());
    const Folder folder;
    write_file(folder.file("a"), sized_parts(1));
    for (const int error : {EIO, ENOSPC, EDQUOT, EROFS, EMFILE})
        for (std::size_t at = 0; at < calls.size(); ++at) {
            int got;
            {
                const Answering failing([&](const Event&, std::size_t nth) { return Answer{nth == at ? error : 0}; });
                got = errno_of(folder.file("a"), sized_parts(2));
            }
            CHECK_EQ(got, error);
            CHECK(same(read_file(folder.file("a"), true, Verify::all), sized_parts(at > renamed ? 2 : 1)));
            CHECK_EQ(folder.entries(), 1u);
            if (at > renamed) write_file(folder.file("a"), sized_parts(1));
        }
    std::printf("a save is %zu calls, each failed with 5 errors\n", calls.size());
}

TEST("disk: every call of a save that a signal may interrupt, interrupted twice, is made again") {
    const std::vector<Event> calls = events_of_a_save(sized_parts(2));
    const Folder folder;
    for (std::size_t at = 0; at < calls.size(); ++at) {
        if (calls[at].call == Call::look || calls[at].call == Call::rename) continue;
        write_file(folder.file("a"), sized_parts(1));
        {
            const Answering interrupted(
                [&](const Event&, std::size_t nth) { return Answer{nth == at || nth == at + 1 ? EINTR : 0}; });
            write_file(folder.file("a"), sized_parts(2));
            CHECK_EQ(interrupted.events().size(), calls.size() + 2);
        }
        CHECK(same(read_file(folder.file("a"), true, Verify::all), sized_parts(2)));
    }
}

TEST("disk: short writes and short reads are resumed where they ended") {
    const Folder folder;
    const auto some = [](const Event& event, std::size_t nth) {
        return event.call == Call::write || event.call == Call::read ? Answer{0, 1 + nth * 37 % 5000} : Answer{};
    };
    {
        const Answering short_writes(some);
        write_file(folder.file("a"), sized_parts(2));
        CHECK(short_writes.events().size() > 500);
    }
    CHECK(same(read_file(folder.file("a"), true, Verify::all), sized_parts(2)));
    for (const bool mapped : {true, false}) {
        const Answering short_reads(some);
        CHECK(same(read_file(folder.file("a"), mapped, Verify::all), sized_parts(2)));
        CHECK(short_reads.events().size() > 500);
    }
}

TEST("disk: a write that writes nothing is an error, not a loop") {
    const Folder folder;
    const Answering stuck(
        [](const Event& event, std::size_t) { return event.call == Call::write ? Answer{0, 0} : Answer{}; });
    CHECK_EQ(errno_of(folder.file("a"), small_parts()), EIO);
}

TEST("disk: every read of an open fails or is interrupted") {
    const Folder folder;
    write_file(folder.file("a"), sized_parts(1));
    std::size_t calls;
    {
        const Answering recording(no_answer);
        read_file(folder.file("a"), true, Verify::all);
        calls = recording.events().size();
    }
    for (std::size_t at = 0; at < calls; ++at) {
        {
            const Answering failing([&](const Event&, std::size_t nth) { return Answer{nth == at ? EIO : 0}; });
            CHECK(outcome([&] { read_file(folder.file("a"), true, Verify::all); }) == Outcome::io);
        }
        const Answering interrupted([&](const Event&, std::size_t nth) { return Answer{nth == at ? EINTR : 0}; });
        CHECK(same(read_file(folder.file("a"), true, Verify::all), sized_parts(1)));
    }
}

TEST("disk: an index that spills to a disk that fails is as it was") {
    const std::vector<float> floats = test::random_floats(600 * 9, 3);
    const MatrixView x{floats.data(), 600, 9};
    const Folder folder;
    Engine engine(test::make_parts({Metric::l2, 7, "pq4", true, "scalar8", true}, x));
    test::add(engine, x.block(0, 300));
    const std::vector<std::byte> before = engine.to_bytes("");
    for (std::size_t at = 0, failed = 1; failed > 0; ++at) {
        const Answering failing([&](const Event&, std::size_t nth) { return Answer{nth == at ? ENOSPC : 0}; });
        const Outcome what = outcome([&] {
            const auto builder = engine.builder(300, folder.path());
            builder->append(x.block(300, 300), nullptr, 1);
            engine.publish(*builder);
        });
        failed = what == Outcome::io;
        CHECK(failed || what == Outcome::ok);
        CHECK((engine.to_bytes("") == before) == (failed > 0));
        CHECK(failed || at > 3);
        CHECK_EQ(folder.entries(), 0u);
    }
}

TEST("disk: a real file system without room") {
    const Folder folder;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // in a mount namespace of its own, if the kernel permits
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
            || ::mount("small", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
            ::_exit(0);
        write_file(folder.file("a"), sized_parts(1, 300'000));
        const bool full = errno_of(folder.file("a"), sized_parts(2)) == ENOSPC;
        const bool old = same(read_file(folder.file("a"), true, Verify::all), sized_parts(1, 300'000));
        ::_exit(full && old && folder.entries() == 1 ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// --- power loss --------------------------------------------------------------------------------------------------
constexpr std::size_t sector = 512;

// The new file on disk after a power loss: everything synced, and of the rest what `keeps` selects.
class Disk {
public:
    explicit Disk(int folder) : folder_(folder) {}

    void take(const Event& event) {
        if (event.call == Call::resize) pending_.push_back(event);
        if (event.call == Call::write) {
            for (std::size_t from = 0; from < event.bytes.size();) {
                const std::size_t size = std::min(sector - (event.offset + from) % sector, event.bytes.size() - from);
                const auto begin = event.bytes.begin() + static_cast<std::ptrdiff_t>(from);
                pending_.push_back(
                    {Call::write, event.fd, event.offset + from, {begin, begin + static_cast<std::ptrdiff_t>(size)}});
                from += size;
            }
        }
        if (event.call == Call::rename) renamed_ = true;
        if (event.call == Call::sync && event.fd == folder_) named_ = renamed_;
        if (event.call == Call::sync && event.fd != folder_) {
            for (const Event& change : pending_) apply(change, synced_);
            pending_.clear();
        }
    }

    // The file under the path; nullopt if it is the old one.
    template <class Keeps>
    std::optional<std::vector<std::byte>> after_power_loss(Keeps keeps) const {
        if (!named_ && !(renamed_ && keeps())) return std::nullopt;
        std::vector<std::byte> file = synced_;
        for (const Event& change : pending_)
            if (keeps()) apply(change, file);
        return file;
    }

private:
    static void apply(const Event& change, std::vector<std::byte>& file) {
        const std::uint64_t end = change.offset + change.bytes.size();
        if (change.call == Call::resize || file.size() < end) file.resize(end);
        std::ranges::copy(change.bytes, file.begin() + static_cast<std::ptrdiff_t>(change.offset));
    }

    int folder_;
    std::vector<std::byte> synced_;
    std::vector<Event> pending_;
    bool renamed_ = false, named_ = false;
};

struct Losses {
    std::size_t tried = 0, mixtures = 0, lost = 0;  // lost: the old file remained although the save had returned
};

Losses lose_power(const std::vector<Event>& calls, int folder, const std::vector<std::byte>& whole) {
    Losses losses;
    std::uint64_t coin = 0;
    for (std::size_t done = 0; done <= calls.size(); ++done) {
        Disk disk(folder);
        for (std::size_t i = 0; i < done; ++i) disk.take(calls[i]);
        for (int trial = 0; trial < 40; ++trial, ++losses.tried) {
            const std::uint64_t odds = random_bits(1, coin++) % 5;  // from nothing to everything kept
            const auto file = disk.after_power_loss([&] { return random_bits(2, coin++) % 4 < odds; });
            losses.mixtures += file && *file != whole;
            losses.lost += !file && done == calls.size();
        }
    }
    return losses;
}

TEST("disk: power lost at any moment of a save leaves the old file or the new one") {
    const Parts parts = sized_parts(2, 60'000);
    const std::vector<std::byte> whole = write_bytes(parts);
    const std::vector<Event> calls = events_of_a_save(parts);
    const int folder = calls.back().fd;
    const Losses losses = lose_power(calls, folder, whole);
    CHECK_EQ(losses.mixtures, 0u);
    CHECK_EQ(losses.lost, 0u);
    CHECK(losses.tried >= 400);
    std::printf("power lost: %zu times\n", losses.tried);

    // Without either sync the model detects the loss, so it is effective.
    const auto without_sync = [&](bool of_folder) {
        std::vector<Event> fewer = calls;
        std::erase_if(fewer, [&](const Event& e) { return e.call == Call::sync && (e.fd == folder) == of_folder; });
        return lose_power(fewer, folder, whole);
    };
    CHECK(without_sync(false).mixtures > 0);
    CHECK(without_sync(true).lost > 0);
}

}  // namespace
