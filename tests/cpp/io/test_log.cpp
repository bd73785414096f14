// Logs: what sync writes is what is read, at a cost in proportion to the change; one writer at a time; and no damage
// goes unnoticed.
#include <cerrno>
#include <functional>
#include <map>
#include <sys/wait.h>
#include <unistd.h>

#include "allocations.h"
#include "base/random.h"
#include "io/contents.h"
#include "io/log_states.h"
#include "io/runs.h"

namespace {

using namespace log_states;

void shorten(Bytes& bytes, std::size_t by) {
    bytes.erase(bytes.end() - static_cast<std::ptrdiff_t>(by), bytes.end());
}

const std::vector<Parts>& states() {
    static const States made;
    return made.all;
}

LogInfo log_of(const std::string& path) {
    return inspect_file(path).log.value_or(LogInfo{0, 0, 0});
}

template <class Work>
int io_error_of(Work work) {
    try {
        work();
    } catch (const Error& error) {
        return error.kind() == ErrorKind::io ? error.error_number() : -1;
    }
    return 0;
}

TEST("log: runs of words are what they were made of") {
    for (const std::size_t bytes : {0u, 1u, 7u, 8u, 9u, 64u, 1000u, 1001u})
        for (const std::size_t before : {std::size_t{0}, bytes / 2, bytes}) {
            std::vector<std::byte> x(bytes), y(before);
            for (std::size_t i = 0; i < bytes; ++i) x[i] = static_cast<std::byte>(random_bits(1, i / 50) % 3);
            for (std::size_t i = 0; i < before; ++i) y[i] = static_cast<std::byte>(random_bits(2, i / 9) % 3);
            const auto encoded = io::encode_runs(x, y);
            CHECK_EQ(encoded.size() % 8, 0u);
            CHECK_EQ(io::decoded_bytes(encoded), bytes);
            y.resize(bytes);
            io::xor_runs(encoded, y);
            CHECK(x == y);
            for (std::size_t cut = 0; cut < encoded.size(); ++cut)
                CHECK(outcome([&] { io::decoded_bytes(std::span(encoded).first(cut)); }) == Outcome::corrupt);
        }
}

TEST("log: runs of words that contradict each other are refused") {
    const auto decoded = [](std::uint64_t bytes, std::uint64_t n, std::vector<std::uint64_t> rest) {
        rest.insert(rest.begin(), {bytes, n});
        return io::decoded_bytes(std::as_bytes(std::span(rest)));
    };
    constexpr std::uint64_t two_and_one = 1ull << 32 | 2;  // counts of two runs
    CHECK_EQ(decoded(0, 0, {}), 0u);
    CHECK_EQ(decoded(17, 2, {7, 8, two_and_one}), 17u);
    CHECK_EQ(decoded(16, 1, {7, 2}), 16u);
    for (const std::uint64_t wrong : {0, 1, 3, 4})
        CHECK_THROWS(decoded(17, wrong, {7, 8, two_and_one}), "the number of runs");
    CHECK_THROWS(decoded(0, std::uint64_t{1} << 60, {}), "the number of runs");
    for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{16}, std::uint64_t{25}, ~std::uint64_t{0}})
        CHECK_THROWS(decoded(wrong, 2, {7, 8, two_and_one}), "not as long as the array");
    CHECK_THROWS(decoded(~std::uint64_t{0}, 0, {}), "not as long as the array");
    CHECK_THROWS(decoded(16, 1, {7, two_and_one}), "the padding is not zero");
}

TEST("log: every state that is synced is read, by whomever wrote the one before") {
    for (const bool reopened : {false, true})
        for (const bool mapped : {false, true}) {
            const Folder folder;
            const std::string path = folder.file("a");
            auto file = synced(path, states(), 1);
            Parts index;  // keeps its arrays
            for (std::size_t i = 1; i < states().size(); ++i) {
                file->sync(states()[i]);
                CHECK(same(read_file(path, true, Verify::all), states()[i]));
                CHECK(same(read_file(path, false, Verify::all), states()[i]));
                verify_file(path);
                CHECK_EQ(log_of(path).changes, i);
                const std::uint64_t bytes = log_of(path).bytes;
                file->sync(states()[i]);  // nothing new
                if (reopened) {
                    file.reset();
                    file = IndexFile::open(path);
                    index = file->read(mapped, Verify::all);
                    file->give_back(index);
                    file->sync(states()[i]);
                }
                CHECK_EQ(log_of(path).bytes, bytes);
                CHECK_EQ(fs::file_size(path + ".log"), bytes + sizeof(io::Mark));
            }
            file->save(states().back());
            CHECK_EQ(folder.entries(), 1u);
            CHECK(same(read_all(path), states().back()));
        }
}

TEST("log: a change costs what is new, and the log is folded in once it is long") {
    const Folder folder;
    const std::string path = folder.file("a");
    constexpr std::size_t size = 3'000'000;
    States large(size);
    const auto file = synced(path, large.all, 2);
    CHECK(log_of(path).bytes < size + size / 2 + 4000);
    file->sync(large.all[2]);
    for (std::size_t i = 3; i < 7; ++i) {
        const std::uint64_t before = log_of(path).bytes;
        file->sync(large.all[i]);
        CHECK(log_of(path).bytes - before < 2500);
    }
    Parts parts = large.all[6];
    std::size_t changes = 0;
    while (log_of(path).changes > 0 && changes < 100) {
        parts.arrays["seg1.codes"] = make_bulk(DType::u8, std::vector<std::uint8_t>(size / 2, std::uint8_t(++changes)));
        file->sync(parts);
        CHECK(same(read_all(path), parts));
    }
    CHECK(changes > 1 && changes < 10);
    CHECK(fs::file_size(path + ".log") == 0);  // the lock remains
}

TEST("log: changes of an array that are many, in one file or in many, stay few sections") {
    const Folder folder;
    const std::string path = folder.file("a");
    Parts parts = States(200'000).all[0];
    std::vector<std::uint8_t> bits(20'000);
    auto file = synced(path, {parts}, 1);
    std::ptrdiff_t most = 0;  // sections: their number falls whenever the log is folded in
    for (std::size_t i = 0; i < 300; ++i) {
        for (std::size_t j = 0; j < 3; ++j) bits[random_below(5, 3 * i + j, bits.size())] ^= 1;
        Parts next = parts;  // nothing else keeps the changed array, as with an index's
        next.arrays["seg0.removed"] = make_array(DType::u8, bits);
        file->sync(std::move(next));
        if (i % 7 != 0) continue;
        file = opened(path);
        most = std::max(most, std::ranges::count(inspect_file(path).sections, "seg0.removed", &SectionInfo::name));
    }
    parts.arrays["seg0.removed"] = make_array(DType::u8, bits);
    CHECK(same(read_all(path), parts));
    CHECK_EQ(most, std::clamp<std::ptrdiff_t>(most, 2, 12));
}

TEST("log: bytes that nothing else keeps are not kept by the file, but arrays are not taken for others") {
    const Folder folder;
    const std::string path = folder.file("a");
    auto parts = std::make_unique<Parts>(States(500'000).all[1]);
    const auto file = synced(path, {*parts}, 1);
    std::weak_ptr<const void> codes = parts->arrays.at("seg0.codes").owner;
    CHECK(!codes.expired());
    parts.reset();
    CHECK(codes.expired());
    for (int i = 0; i < 5; ++i) {  // likely at the same address
        const Parts others = States::of_another(500'000);
        file->sync(others);
        CHECK(same(read_all(path), others));
    }
}

TEST("log: one writer at a time, until it is gone, also by fork") {
    const Folder folder;
    const std::string path = folder.file("a");
    auto first = synced(path, states(), 1);
    auto second = opened(path);
    first->sync(states()[1]);
    CHECK_EQ(io_error_of([&] { second->sync(states()[2]); }), EWOULDBLOCK);
    CHECK_EQ(io_error_of([&] { second->save(states()[2]); }), EWOULDBLOCK);
    CHECK_EQ(io_error_of([&] { IndexFile(path).sync(states()[2]); }), EWOULDBLOCK);
    CHECK_EQ(io_error_of([&] { write_file(path, states()[2]); }), EWOULDBLOCK);
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const bool refused = io_error_of([&] { first->sync(states()[2]); }) == EWOULDBLOCK;
        first.reset();
        second.reset();
        if (::write(ready[1], "x", 1) != 1) ::_exit(2);
        ::usleep(400'000);  // alive, but without the lock
        ::_exit(refused ? 0 : 1);
    }
    char byte;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
    CHECK(state_in(read_all(path), states()) == 1);
    first.reset();
    CHECK_EQ(io_error_of([&] { second->sync(states()[2]); }), ESTALE);  // it does not know of state 1
    const auto third = opened(path);
    third->sync(states()[2]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    third->sync(states()[3]);
    CHECK(state_in(read_all(path), states()) == 3);
}

TEST("log: a file or log that others replaced is not written to") {
    const Folder folder;
    const std::string path = folder.file("a");
    for (const bool holding : {false, true}) {
        auto file = synced(path, states(), holding ? 2 : 1);
        fs::remove(path + ".log");
        write_file(path, states()[5]);
        CHECK_EQ(io_error_of([&] { file->sync(states()[2]); }), ESTALE);
        CHECK(state_in(read_all(path), states()) == 5);
        file->save(states()[2]);
        file->sync(states()[3]);
        CHECK(state_in(read_all(path), states()) == 3);
        fs::remove(path + ".log");
        CHECK_EQ(io_error_of([&] { file->sync(states()[4]); }), ESTALE);
        CHECK_EQ(io_error_of([&] { file->sync(states()[4]); }), ESTALE);
        file->save(states()[4]);
        fs::remove(path);  // nothing is lost by saving
        file->sync(states()[6]);
        CHECK(state_in(read_all(path), states()) == 6);
        file.reset();
        fs::remove(path);
    }
}

TEST("log: of another file, it is ignored, and removed by the next writer") {
    const Folder folder;
    const std::string path = folder.file("a");
    synced(path, states(), 3).reset();
    const Bytes log = slurp(path + ".log");
    write_file(path, states()[5]);
    CHECK_EQ(folder.entries(), 1u);
    for (const bool saves : {false, true}) {
        dump(path + ".log", log);
        CHECK(state_in(read_all(path), states()) == 5);
        verify_file(path);
        CHECK_EQ(log_of(path).changes, 0u);
        const auto file = opened(path);
        saves ? file->save(states()[6]) : file->sync(states()[6]);
        CHECK(state_in(read_all(path), states()) == 6);
        file->save(states()[5]);
    }
    dump(path, Bytes(100));
    dump(path + ".log", log);
    CHECK(outcome([&] { read_all(path); }) == Outcome::corrupt);
}

TEST("log: readers keep the state that they opened") {
    const Folder folder;
    const std::string path = folder.file("a");
    const auto file = synced(path, states(), 4);
    const Parts before = read_file(path, true, Verify::trusted);
    for (std::size_t i = 4; i < states().size(); ++i) file->sync(states()[i]);
    CHECK(same(before, states()[3]));
    file->save(states()[1]);
    CHECK(same(before, states()[3]));
}

TEST("log: it has the permissions of the file, and lies beside the target of a link") {
    const Folder folder;
    fs::create_directory(folder.file("b"));
    const std::string path = folder.file("b/a"), link = folder.file("link");
    fs::create_symlink("b/a", link);
    write_file(path, states()[0]);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read);
    const auto file = opened(link);
    file->sync(states()[1]);
    CHECK(fs::status(path + ".log").permissions() == fs::status(path).permissions());
    CHECK(state_in(read_all(path), states()) == 1);
    CHECK(state_in(read_all(link), states()) == 1);
}

// --- damage ------------------------------------------------------------------------------------------------------
struct Found {
    int state;  // -1: an error, or bulk arrays that differ
    bool refused;
    std::uint64_t dropped;
};

Found found_in(const std::string& path) {
    Found found{-1, false, 0};
    const Outcome result = outcome([&] {
        found.state = state_in(read_file(path, false, Verify::trusted), states());
        found.dropped = log_of(path).dropped;
    });
    found.refused = result == Outcome::corrupt;
    CHECK(result == Outcome::ok || found.refused);
    return found;
}

// whole: the last change was synced. Otherwise its writer was killed meanwhile.
void flip_bits(bool whole) {
    const Folder folder;
    const std::string path = folder.file("a");
    synced(path, states(), states().size()).reset();
    const int last = static_cast<int>(states().size()) - 1;
    Bytes log = slurp(path + ".log");
    if (!whole) shorten(log, sizeof(io::Mark));
    std::size_t refused = 0, dropped = 0, unread = 0;
    for (std::size_t bit = 0; bit < 8 * log.size(); bit += 1 + random_below(3, bit, 13)) {
        Bytes bad = log;
        bad[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
        dump(path + ".log", bad);
        const Found found = found_in(path);
        const bool noticed = outcome([&] { verify_file(path); }) == Outcome::corrupt;
        CHECK(noticed || found.dropped > 0);
        if (found.refused)
            ++refused;
        else if (found.dropped > 0)
            ++dropped;
        else
            ++unread;
        if (found.dropped > 0) CHECK_EQ(found.state, last - (whole ? 0 : 1));
        CHECK(found.refused || found.dropped > 0 || found.state == last || found.state == -1);
    }
    CHECK((refused > 0 || !whole) && dropped > 0 && unread > 0);
    std::printf("flipped bits of a log: %zu refused by open, %zu taken for an incomplete change, %zu found by verify\n",
                refused, dropped, unread);
}

TEST("log: every flipped bit is found, and a change that was synced is not given up") {
    flip_bits(true);
    flip_bits(false);
}

TEST("log: cut anywhere, it holds the changes that are whole") {
    const Folder folder;
    const std::string path = folder.file("a");
    std::vector<std::uint64_t> ends{0};
    auto file = synced(path, states(), 1);
    for (std::size_t i = 1; i < states().size(); ++i) {
        file->sync(states()[i]);
        ends.push_back(log_of(path).bytes);
    }
    file.reset();
    const Bytes log = slurp(path + ".log");
    for (std::size_t cut = 0; cut < log.size(); ++cut) {
        dump(path + ".log", {log.begin(), log.begin() + static_cast<std::ptrdiff_t>(cut)});
        const auto state = std::ranges::upper_bound(ends, cut) - ends.begin() - 1;
        const Found found = found_in(path);
        CHECK_EQ(found.state, static_cast<int>(state));
        const std::uint64_t rest = cut - ends[static_cast<std::size_t>(state)];
        const std::uint64_t expected = state > 0 && rest == sizeof(io::Mark) ? 0 : rest;
        CHECK_EQ(found.dropped, expected);
        if (cut % 61 == 0) {  // and is continued from there
            opened(path)->sync(states()[7]);
            CHECK_EQ(found_in(path).state, 7);
            CHECK_EQ(found_in(path).dropped, 0u);
            verify_file(path);
        }
    }
}

TEST("log: a change that is damaged before the last one is refused, not cut off") {
    const Folder folder;
    const std::string path = folder.file("a");
    auto file = synced(path, states(), 3);
    const std::uint64_t second = log_of(path).bytes;
    file->sync(states()[3]);
    file.reset();
    Bytes log = slurp(path + ".log");
    log[second - 30] ^= 1;               // the end of change 2
    shorten(log, 2 * sizeof(io::Mark));  // and change 3 is incomplete
    dump(path + ".log", log);
    CHECK_THROWS(read_all(path), "change 2 of the log: it is damaged, as change 3 follows");
}

TEST("log: an incomplete change that is being written is not spoken of") {
    const Folder folder;
    const std::string path = folder.file("a");
    const auto file = synced(path, states(), 3);
    {
        std::ofstream more(path + ".log", std::ios::binary | std::ios::app);
        more << "begun";
    }
    CHECK_EQ(found_in(path).dropped, 0u);
    CHECK_EQ(found_in(path).state, 2);
}

TEST("log: an empty array may be the last section of a change") {
    const Folder folder;
    std::vector<Parts> both{states()[0], states()[0]};
    both[1].arrays["z"] = make_bulk(DType::f32, std::vector<float>{});
    synced(folder.file("a"), both, 2).reset();
    CHECK(log_of(folder.file("a")).bytes > 0);
    CHECK(same(read_file(folder.file("a"), true, Verify::all), both[1]));
}

TEST("hostile log: table attacks") {
    const Folder folder;
    const std::string path = folder.file("a");
    std::vector<Parts> both{states()[0], states()[0]};  // of the second, the log has three arrays and runs of params
    both[1].params["dim"] = 8;
    std::vector<std::uint64_t> lists(200, 2100);
    both[1].arrays["seg0.lists"] = make_array(DType::u64, lists);
    for (const char* name : {"seg1.a", "seg1.b", "seg1.codes"})
        both[1].arrays[name] = make_bulk(DType::f32, counting<float>(100, name[5]));
    synced(path, both, 2).reset();
    const Bytes base = slurp(path), log = slurp(path + ".log");
    const std::uint64_t identity = log_states::identity_of(base);
    constexpr std::uint32_t bulk = 1, in_file = 2, runs = 4;
    const auto attack = [&](const std::function<void(std::map<std::string, io::Entry*>&, io::Mark&)>& change) {
        Bytes bad = log;
        auto& end = *reinterpret_cast<io::Mark*>(bad.data() + bad.size() - 2 * sizeof(io::Mark));
        std::map<std::string, io::Entry*> entries;
        for (std::uint32_t i = 0; i < end.sections; ++i) {
            auto* entry = reinterpret_cast<io::Entry*>(bad.data() + end.table) + i;
            entries[entry->name] = entry;
        }
        change(entries, end);
        seal_log(bad, identity);
        std::string message;
        const Outcome what =
            outcome([&] { read_bytes(std::as_bytes(std::span(base)), std::as_bytes(std::span(bad))); }, &message);
        CHECK(what == (message.empty() ? Outcome::ok : Outcome::corrupt));
        return message;
    };
    using Entries = std::map<std::string, io::Entry*>;
    const auto says = [](const std::string& message, const char* text) {
        if (message.find(text) == std::string::npos) check::report(__FILE__, __LINE__, "message: " + message);
    };
    CHECK_EQ(attack([](Entries&, io::Mark&) {}), "");
    says(attack([](Entries& e, io::Mark&) { e.at("codec.mean")->flags |= runs; }), "it cannot be runs of words");
    says(attack([](Entries& e, io::Mark&) { e.at("seg1.codes")->flags |= runs; }), "it cannot be runs of words");
    says(attack([](Entries& e, io::Mark&) { e.at("codec.mean")->offset += 64; }), "not a section of the file");
    says(attack([](Entries& e, io::Mark&) { e.at("seg1.codes")->flags |= in_file; }), "not a section of the file");
    says(attack([](Entries& e, io::Mark&) { e.at("seg1.codes")->offset += 4; }), "not a section of the log");
    says(attack([](Entries& e, io::Mark& end) { e.at("seg1.codes")->offset = end.table + 64; }),
         "not a section of the log");
    says(attack([](Entries& e, io::Mark& end) { e.at("seg1.codes")->bytes = end.table; }), "not a section of the log");
    says(attack([](Entries& e, io::Mark&) { e.at("seg1.b")->offset += 64; }), "expected at offset");
    for (const std::uint32_t flags : {bulk, 0u})
        says(attack([&](Entries& e, io::Mark&) {
                 std::memcpy(e.at("seg1.b")->name, e.at("seg1.a")->name, sizeof e.at("seg1.b")->name);
                 e.at("seg1.a")->flags = e.at("seg1.b")->flags = flags;
             }),
             "it cannot change the array of this name");
    says(attack([](Entries& e, io::Mark&) { std::memcpy(e.at("seg1.b")->name, "seg0.b\0", 7); }), "ascending order");

    // Runs of words are the length of the array, the number of runs, their words and their counts.
    const auto resized = [&](const char* name, std::uint64_t length) {
        return attack([&](Entries& e, io::Mark& end) {
            CHECK((e.at(name)->flags & runs) != 0);
            auto* start = reinterpret_cast<unsigned char*>(&end + 2) - log.size();
            auto* words = reinterpret_cast<std::uint64_t*>(start + e.at(name)->offset);
            auto* counts = reinterpret_cast<std::uint32_t*>(words + 2 + words[1]);
            counts[words[1] - 1] += static_cast<std::uint32_t>((length + 7) / 8 - (words[0] + 7) / 8);
            words[0] = length;
        });
    };
    says(resized("seg0.lists", 1593), "it is shorter than what it changes");
    says(resized("seg0.lists", 1601), "1601 bytes are not a multiple of u64");
    says(resized("seg0.lists", 1 << 24), "an array of 16777216 bytes");
    Bytes copy = base;
    const std::uint64_t room = (1 << 16) + 32 * (base.size() + log.size()) - entry_of(copy, "params").bytes;
    says(resized("params", room + 1), "an array of");
    CHECK(resized("params", room).find("an array of") == std::string::npos);
}

TEST("hostile log: with right checksums, any number in it is refused or harmless") {
    const Folder folder;
    const std::string path = folder.file("a");
    synced(path, states(), states().size()).reset();
    const Bytes base = slurp(path), log = slurp(path + ".log");
    const std::uint64_t identity = log_states::identity_of(base);
    std::size_t accepted = 0, tried = 0;
    const auto attack = [&](Bytes bad) {
        seal_log(bad, identity);
        ++tried;
        const allocations::Peak peak;
        const Outcome result = outcome([&] {
            read_bytes(std::as_bytes(std::span(base)), std::as_bytes(std::span(bad)));
            ++accepted;
        });
        CHECK(result == Outcome::ok || result == Outcome::corrupt);
        CHECK(peak.bytes() <= 64 * (base.size() + bad.size()) + (4 << 20));
    };
    attack(log);
    CHECK_EQ(accepted, 1u);
    const std::size_t last_mark = log.size() - 2 * sizeof(io::Mark);  // the first of the next change is behind it
    const auto& end = *reinterpret_cast<const io::Mark*>(log.data() + last_mark);
    const std::uint64_t values[] = {0,
                                    1,
                                    2,
                                    63,
                                    64,
                                    65,
                                    128,
                                    1u << 20,
                                    0x7fffffff,
                                    0xffffffff,
                                    log.size(),
                                    log.size() - 64,
                                    ~std::uint64_t{0},
                                    std::uint64_t{1} << 63};
    std::vector<std::size_t> places;
    for (std::size_t at = 8; at < 60; at += 4) places.push_back(last_mark + at);
    for (std::uint64_t entry = 0; entry < end.sections; ++entry)
        for (std::size_t at = 0; at < sizeof(io::Entry); at += at < 32 ? 8 : 4)
            places.push_back(end.table + entry * sizeof(io::Entry) + at);
    for (const std::size_t place : places)
        for (const std::uint64_t value : values)
            for (const std::size_t width : {4u, 8u}) {
                Bytes bad = log;
                std::memcpy(bad.data() + place, &value, std::min(width, bad.size() - place));
                attack(std::move(bad));
            }
    for (std::uint64_t draw = 0; draw < 3000; ++draw) {  // arrays, above all the runs
        Bytes bad = log;
        for (std::uint64_t i = 0; i < 1 + draw % 4; ++i)
            bad[random_below(draw, 2 * i, bad.size())] = static_cast<unsigned char>(random_bits(draw, 2 * i + 1));
        attack(std::move(bad));
    }
    std::printf("hostile logs: %zu, %zu of them accepted\n", tried, accepted);
}

}  // namespace
