// Writing is all or nothing: after any failure, and after a kill at any named point, the path holds the whole old file
// or the whole new one, and only a kill may leave a temporary file behind.
#include <cerrno>
#include <csignal>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "io/test_point.h"
#include "io_fixture.h"

namespace {

using namespace io_fixture;

Parts large_parts(std::uint8_t value, std::size_t bytes = 3'000'000) {
    Parts parts;
    parts.arrays["seg0.codes"] = make_bulk(DType::u8, std::vector<std::uint8_t>(bytes, value));
    return parts;
}

const char* stop_at = nullptr;
int chunks = 0;

class Stopping {
public:
    Stopping(const char* name, io::TestPoint stop) {
        stop_at = name;
        chunks = 0;
        io::on_test_point = stop;
    }
    ~Stopping() { io::on_test_point = nullptr; }
};

constexpr const char* points[] = {"created", "chunk", "written", "synced", "renamed"};

TEST("write: killed at every point, the old file or the new one is there") {
    const Folder folder;
    for (const char* point : points) {
        write_file(folder.file("a"), large_parts(1));
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const Stopping stopping(point, [](const char* name) {
                if (std::strcmp(name, stop_at) == 0 && (std::strcmp(name, "chunk") != 0 || ++chunks == 2))
                    ::raise(SIGKILL);
            });
            write_file(folder.file("a"), large_parts(2));
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        verify_file(folder.file("a"));
        const bool renamed = std::strcmp(point, "renamed") == 0;
        CHECK(same(read_file(folder.file("a"), true, Verify::all), large_parts(renamed ? 2 : 1)));
    }
}

TEST("write: an exception at any point before the rename leaves nothing behind") {
    const Folder folder;
    write_file(folder.file("a"), large_parts(1));
    for (const char* point : points) {
        if (std::strcmp(point, "renamed") == 0) continue;
        const Stopping stopping(point, [](const char* name) {
            if (std::strcmp(name, stop_at) == 0) throw Error(ErrorKind::io, "stopped", EIO);
        });
        CHECK_THROWS(write_file(folder.file("a"), large_parts(2)), "stopped");
        CHECK(same(read_file(folder.file("a"), true, Verify::all), large_parts(1)));
        CHECK_EQ(folder.entries(), 1u);
    }
}

TEST("write: no room") {
    const Folder folder;
    write_file(folder.file("a"), large_parts(1));
    ::rlimit old_limit{};
    ::getrlimit(RLIMIT_FSIZE, &old_limit);
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit limit{1'000'000, old_limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const int error = errno_of(folder.file("a"), large_parts(2));
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
    CHECK_EQ(error, EFBIG);
    CHECK(same(read_file(folder.file("a"), true, Verify::all), large_parts(1)));
    CHECK_EQ(folder.entries(), 1u);
}

TEST("write: targets and folders that cannot be written") {
    const Folder folder;
    fs::create_directory(folder.file("folder"));
    dump(folder.file("plain"), {1, 2, 3});
    REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
    const std::size_t entries = folder.entries();
    CHECK_EQ(errno_of(folder.file("folder"), small_parts()), EISDIR);
    CHECK_EQ(errno_of(folder.file("folder") + "/", small_parts()), EISDIR);
    CHECK_EQ(errno_of(folder.file("absent/a"), small_parts()), ENOENT);
    CHECK_EQ(errno_of(folder.file("plain/a"), small_parts()), ENOTDIR);
    CHECK_EQ(errno_of(folder.file("fifo"), small_parts()), EINVAL);
    CHECK_EQ(errno_of("/dev/null", small_parts()), EINVAL);
    CHECK_EQ(errno_of("", small_parts()), ENOENT);
    CHECK_EQ(errno_of(folder.file(std::string(256, 'x')), small_parts()), ENAMETOOLONG);
    CHECK_THROWS(write_file(folder.file("absent/a"), small_parts()), "absent");
    CHECK_EQ(folder.entries(), entries);
    CHECK_EQ(errno_of(folder.file(std::string(255, 'x')), small_parts()), 0);
    if (::geteuid() == 0) return;  // root may write anywhere
    fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_EQ(errno_of(folder.file("a"), small_parts()), EACCES);
}

TEST("write: a folder that nobody may write, as another user") {
    if (::geteuid() != 0) return;  // for an ordinary user, the test above covers this
    const Folder folder;
    fs::permissions(folder.path(), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::setuid(65534) != 0) ::_exit(100);
        const int error = errno_of(folder.file("a"), small_parts());
        ::_exit(error == EACCES ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(folder.entries(), 0u);
}

TEST("write: permissions are the umask's, or the replaced file's") {
    const Folder folder;
    const auto mode = [&] {
        struct stat status{};
        ::stat(folder.file("a").c_str(), &status);
        return status.st_mode & 07777;
    };
    const mode_t mask = ::umask(027);
    write_file(folder.file("a"), small_parts());
    ::umask(mask);
    CHECK_EQ(mode(), 0640u);
    REQUIRE(::chmod(folder.file("a").c_str(), 0604) == 0);
    write_file(folder.file("a"), large_parts(1));
    CHECK_EQ(mode(), 0604u);
}

std::vector<std::string> temporaries(const Folder& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path()))
        if (entry.path().extension() == ".tmp") names.push_back(entry.path().string());
    return names;
}

TEST("write: nobody else may read the file before it is whole") {
    static const Folder* watched;
    static std::set<mode_t> modes;
    const Folder folder;
    watched = &folder;
    for (int round = 0; round < 2; ++round) {
        const Stopping watching("", [](const char* name) {
            if (std::strcmp(name, "created") != 0 && std::strcmp(name, "chunk") != 0) return;
            for (const std::string& path : temporaries(*watched)) {
                struct stat status{};
                ::stat(path.c_str(), &status);
                modes.insert(status.st_mode & 07777);
            }
        });
        write_file(folder.file("a"), large_parts(1));
        REQUIRE(::chmod(folder.file("a").c_str(), 0644) == 0);
    }
    CHECK(modes == std::set<mode_t>{0600});
}

TEST("write: the owner of the replaced file stays, where that is allowed") {
    if (::geteuid() != 0) return;
    const Folder folder;
    write_file(folder.file("a"), small_parts());
    REQUIRE(::chown(folder.file("a").c_str(), 65534, 65534) == 0);
    REQUIRE(::chmod(folder.file("a").c_str(), 0640) == 0);
    write_file(folder.file("a"), large_parts(1));
    struct stat status{};
    ::stat(folder.file("a").c_str(), &status);
    CHECK_EQ(status.st_uid, 65534u);
    CHECK_EQ(status.st_gid, 65534u);
    CHECK_EQ(status.st_mode & 07777, 0640u);
    fs::permissions(folder.path(), fs::perms::all);
    const pid_t child = ::fork();  // a save by another user: its group must not get the old group's rights
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::setgid(65533) != 0 || ::setuid(65533) != 0) ::_exit(100);
        write_file(folder.file("a"), small_parts());
        ::_exit(0);
    }
    int result = 0;
    REQUIRE(::waitpid(child, &result, 0) == child);
    CHECK_EQ(result, 0);
    ::stat(folder.file("a").c_str(), &status);
    CHECK_EQ(status.st_uid, 65533u);
    CHECK_EQ(status.st_mode & 07777, 0600u);
}

TEST("write: what killed saves left is removed, and what others are writing is not") {
    const Folder folder;
    const auto killed = [&](const char* name, const char* point) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const Stopping stopping(point, [](const char* at) {
                if (std::strcmp(at, stop_at) == 0) ::raise(SIGKILL);
            });
            write_file(folder.file(name), large_parts(2));
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
    };
    killed("a", "created");
    killed("a", "written");
    killed("ab", "synced");
    killed("b", "synced");
    dump(folder.file(".a.12.notours.tmp"), {1});
    dump(folder.file(".a.tmp"), {1});
    CHECK_EQ(temporaries(folder).size(), 5u);  // the second kill removed the file of the first
    static const Folder* shared;
    shared = &folder;
    {
        const Stopping nested("synced", [](const char* name) {  // another save of the same name during this one
            if (stop_at == nullptr || std::strcmp(name, stop_at) != 0) return;
            stop_at = nullptr;
            write_file(shared->file("a"), large_parts(3));
        });
        write_file(folder.file("a"), large_parts(1));
    }
    CHECK(same(read_file(folder.file("a"), true, Verify::all), large_parts(1)));
    CHECK_EQ(temporaries(folder).size(), 4u);
    write_file(folder.file("b"), large_parts(1));
    write_file(folder.file("ab"), large_parts(1));
    CHECK_EQ(temporaries(folder).size(), 2u);
}

TEST("write: a relative path and a name that is no text") {
    const Folder folder;
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    write_file("here", small_parts());
    write_file("\xFF\xFE name", small_parts());
    fs::current_path(before);
    verify_file(folder.file("here"));
    verify_file(folder.file("\xFF\xFE name"));
    CHECK_EQ(folder.entries(), 2u);
}

TEST("write: links stay, and what they lead to is replaced") {
    const Folder folder;
    fs::create_directory(folder.file("in"));
    fs::create_symlink("in/link", folder.file("first"));
    fs::create_symlink(folder.file("in/target"), folder.file("in/link"));
    for (const int value : {1, 2}) {  // the link first dangles, then does not
        write_file(folder.file("first"), large_parts(static_cast<std::uint8_t>(value), 100));
        CHECK(fs::is_symlink(fs::symlink_status(folder.file("first"))));
        CHECK(fs::is_symlink(fs::symlink_status(folder.file("in/link"))));
        CHECK(fs::is_regular_file(fs::symlink_status(folder.file("in/target"))));
        const Parts read = read_file(folder.file("first"), false, Verify::all);
        CHECK_EQ(static_cast<int>(read.arrays.at("seg0.codes").bytes.front()), value);
    }
    fs::create_symlink("round", folder.file("about"));
    fs::create_symlink("about", folder.file("round"));
    fs::create_symlink("gone/target", folder.file("lost"));
    for (const auto& [name, number] : {std::pair{"round", ELOOP}, std::pair{"lost", ENOENT}}) {
        int caught = 0;
        try {
            write_file(folder.file(name), large_parts(1, 100));
        } catch (const Error& error) {
            caught = error.error_number();
        }
        CHECK_EQ(caught, number);
    }
    CHECK_EQ(folder.entries(), std::size_t{5});
}

TEST("write: two threads to one path, one of them wins") {
    const Folder folder;
    for (int round = 0; round < 20; ++round) {
        std::thread other([&] { write_file(folder.file("a"), large_parts(2, 300'000)); });
        write_file(folder.file("a"), large_parts(1, 200'000));
        other.join();
        const Parts read = read_file(folder.file("a"), true, Verify::all);
        CHECK(same(read, large_parts(1, 200'000)) || same(read, large_parts(2, 300'000)));
        CHECK_EQ(folder.entries(), 1u);
    }
}

TEST("write: readers never see a mixture") {
    const Folder folder;
    write_file(folder.file("a"), large_parts(1, 200'000));
    std::atomic<bool> done = false;
    std::thread writer([&] {
        for (int round = 0; round < 40; ++round)
            write_file(folder.file("a"), large_parts(static_cast<std::uint8_t>(round % 2 + 1), 200'000));
        done = true;
    });
    std::size_t reads = 0, wrong = 0;
    do {
        const Parts read = read_file(folder.file("a"), reads % 2 == 0, Verify::all);
        wrong += !same(read, large_parts(1, 200'000)) && !same(read, large_parts(2, 200'000));
        ++reads;
    } while (!done);
    writer.join();
    CHECK_EQ(wrong, 0u);
}

}  // namespace
