// Coverage-guided fuzzing like libFuzzer, with its target function and two of its options. Mutates the given files, and
// those mutants that reach new code or run code more often.
//
//     fewbits_fuzz [-max_total_time=SECONDS] [-seed=N] FILE-OR-FOLDER...
//
// The current input is stored in ./fuzz-input: a crash or a hang leaves it there, and `fewbits_fuzz fuzz-input` repeats
// it.
#include <bit>
#include <chrono>
#include <set>
#include <unistd.h>

#include "base/random.h"
#include "coverage.h"
#include "io/io_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace fewbits;
using io_fixture::Bytes;

constexpr const char* at_work = "fuzz-input";
constexpr unsigned patience = 60;           // seconds before an input counts as hanging
constexpr std::size_t longest = 1u << 17;   // maximum size of an input
constexpr std::size_t longest_change = 64;  // bytes copied, inserted or removed at a time

class Fuzzer {
public:
    explicit Fuzzer(std::uint64_t seed) : seed_(seed) {}

    void run(const Bytes& file);
    bool has_kept() const { return !kept_.empty(); }
    void mutate_and_run();
    void report() const;

private:
    std::size_t below(std::size_t n) { return random_below(seed_, draws_++, n); }
    std::size_t place(Bytes& file);
    void put_number(Bytes& file);
    void put_part_of_another(Bytes& file);
    void mutate(Bytes& file);
    bool reached_more();

    std::uint64_t seed_, draws_ = 0, executions_ = 0;
    std::vector<Bytes> kept_;
    std::array<std::uint16_t, coverage::places> seen_{};  // bit b: ran 2^(b-1)..2^b-1 times
};

bool Fuzzer::reached_more() {
    bool more = false;
    for (std::size_t i = 0; i < coverage::places; ++i) {
        const auto often = static_cast<std::uint16_t>(1u << std::bit_width(coverage::runs[i]));
        if (coverage::runs[i] == 0 || (seen_[i] & often) != 0) continue;
        seen_[i] = static_cast<std::uint16_t>(seen_[i] | often);
        more = true;
    }
    return more;
}

void Fuzzer::run(const Bytes& file) {
    io_fixture::dump(at_work, file);
    coverage::runs.fill(0);
    ::alarm(patience);
    LLVMFuzzerTestOneInput(file.data(), file.size());
    ::alarm(0);
    ++executions_;
    if (!file.empty() && reached_more()) kept_.push_back(file);
}

// Header, table and each section are equally likely: most bytes of a file are codes, which do not affect control flow.
std::size_t Fuzzer::place(Bytes& file) {
    if (file.size() < sizeof(io::Header)) return below(file.size());
    const auto table = io_fixture::table_of(file);
    const std::size_t which = below(table.size() + 2);
    if (which < table.size() && table[which].offset < file.size() && table[which].bytes > 0)
        return table[which].offset + below(std::min(table[which].bytes, file.size() - table[which].offset));
    return below(std::min(file.size(), sizeof(io::Header) + table.size_bytes()));
}

// Changes an integer of 1, 2, 4 or 8 bytes to an extreme value, or to one close to its own.
void Fuzzer::put_number(Bytes& file) {
    const std::size_t width = std::size_t{1} << below(4), at = place(file) / width * width;
    if (at + width > file.size()) return;
    std::uint64_t value = 0;
    std::memcpy(&value, file.data() + at, width);
    if (below(2) == 0)
        value += below(33) - 16;
    else
        value = (below(2) == 0 ? 0 : std::uint64_t{1} << below(8 * width)) - below(2);
    std::memcpy(file.data() + at, &value, width);
}

void Fuzzer::put_part_of_another(Bytes& file) {
    Bytes& other = kept_[below(kept_.size())];
    const std::size_t from = place(other), to = place(file);
    const std::size_t n = std::min({1 + below(longest_change), other.size() - from, file.size() - to});
    std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), n, file.begin() + static_cast<std::ptrdiff_t>(to));
}

void Fuzzer::mutate(Bytes& file) {
    const std::size_t at = place(file), n = std::min(1 + below(longest_change), file.size() - at);
    const auto here = file.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(8)) {
        case 0:
            file[at] ^= static_cast<unsigned char>(1u << below(8));
            return;
        case 1:
            file[at] = static_cast<unsigned char>(below(256));
            return;
        case 2:
            file.erase(here, here + static_cast<std::ptrdiff_t>(n));
            return;
        case 3:
            if (file.size() + n <= longest) file.insert(here, n, static_cast<unsigned char>(below(256)));
            return;
        case 4:
        case 5:
            return put_part_of_another(file);
        default:
            return put_number(file);
    }
}

void Fuzzer::mutate_and_run() {
    Bytes file = kept_[below(kept_.size())];
    for (std::size_t changes = std::size_t{1} << below(4); changes > 0 && !file.empty(); --changes) mutate(file);
    run(file);
}

void Fuzzer::report() const {
    const auto reached = std::ranges::count_if(seen_, [](std::uint16_t often) { return often != 0; });
    std::printf("fuzzed: %llu inputs, %zu of them kept, which reach %td places\n",
                static_cast<unsigned long long>(executions_), kept_.size(), reached);
}

std::set<std::string> files_in(const std::string& path) {
    if (!std::filesystem::is_directory(path)) return {path};
    std::set<std::string> files;  // sorted, independently of the file system
    for (const auto& entry : std::filesystem::directory_iterator(path)) files.insert(entry.path().string());
    return files;
}

// The file and, behind it, its log.
Bytes with_log(const std::string& path) {
    Bytes bytes = io_fixture::slurp(path);
    const Bytes log = io_fixture::slurp(path + ".log");
    bytes.insert(bytes.end(), log.begin(), log.end());
    return bytes;
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seconds = 0, seed = 1;
    std::vector<Bytes> corpus;
    for (const std::string argument : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
        if (argument.starts_with("-max_total_time="))
            seconds = std::stoull(argument.substr(argument.find('=') + 1));
        else if (argument.starts_with("-seed="))
            seed = std::stoull(argument.substr(argument.find('=') + 1));
        else
            for (const std::string& file : files_in(argument)) corpus.push_back(with_log(file));
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    Fuzzer fuzzer(seed);
    for (const Bytes& file : corpus) fuzzer.run(file);
    while (fuzzer.has_kept() && std::chrono::steady_clock::now() < end) fuzzer.mutate_and_run();
    std::filesystem::remove(at_work);
    fuzzer.report();
}
