#include "io/contents.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/crc32.h"
#include "io/log_lock.h"
#include "io/runs.h"

namespace fewbits::io {
namespace {

constexpr int most_trials = 8;
// Limits what runs of words may take in memory, by byte of the files. Lists, which are most of it, take 8 bytes per
// list, and the file has at least 2 for the list's centroid; so writers keep to half of it (index_file.cpp).
constexpr std::uint64_t most_decoded = 32, least_room = 1 << 16;

FileInfo read_info(const Source& source, std::uint64_t& identity) {
    const Header header = read_header(source);
    const std::size_t table = header.sections * sizeof(Entry);
    std::vector<std::byte> head(sizeof header + table);
    std::memcpy(head.data(), &header, sizeof header);
    const std::span<std::byte> rest = std::span(head).subspan(sizeof header);
    source.read(sizeof header, rest);
    identity = identity_of(head);
    std::vector<Entry> entries(header.sections);
    if (table > 0) std::memcpy(entries.data(), rest.data(), table);
    return {header.major, header.minor, source.bytes(), check_table(header, entries), {}, {}};
}

std::map<std::string, std::uint64_t> params_of(std::span<const std::byte> bytes, const SectionInfo& section) {
    if (section.dtype != DType::u8 || bytes.size() % sizeof(Param) != 0 || bytes.size() / sizeof(Param) > max_records)
        fail_section(section, std::to_string(bytes.size()) + " bytes are not param records");
    std::vector<Param> records(bytes.size() / sizeof(Param));
    if (!records.empty()) std::memcpy(records.data(), bytes.data(), bytes.size());
    return check_params(section, records);
}

// Calls visit(first section of an array, its number of sections).
template <class Visit>
void each_array(std::span<const Stored> sections, Visit visit) {
    for (std::size_t i = 0; i < sections.size();) {
        std::size_t n = 1;
        while (i + n < sections.size() && sections[i + n].info.name == sections[i].info.name) ++n;
        visit(sections.subspan(i, n));
        i += n;
    }
}

}  // namespace

std::filesystem::path native(const std::string& path) {
    return std::u8string(path.begin(), path.end());
}

std::string utf8(const std::filesystem::path& path) {
    const std::u8string text = path.u8string();
    return {text.begin(), text.end()};
}

std::string followed(const std::string& path) {
    constexpr int most_links = 40;  // the limit of the system
    std::filesystem::path target = native(path);
    std::error_code error;
    for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(target, error)); ++links) {
        if (links == most_links) fail_errno("cannot follow the symbolic link", ELOOP);
        const std::filesystem::path next = std::filesystem::read_symlink(target, error);
        if (error) fail_errno("cannot read the symbolic link", error.value());
        target = target.parent_path() / next;
    }
    return utf8(target);
}

// A save replaces the file and then removes the log. Reading the log first, a reader never sees an old file without its
// log; and if the two do not belong together, it looks again.
Contents::Contents(const std::string& path) {
    for (int trial = 1;; ++trial) {
        const std::string target = followed(path);
        std::exception_ptr failed_log;
        try {
            log_source_ = Source::existing(target + log_ending);
        } catch (const Error&) {
            failed_log = std::current_exception();
        }
        file_.emplace(path);  // its error comes first
        if (failed_log) std::rethrow_exception(failed_log);
        try {
            read();
            if (!(log_.foreign || log_.dropped > 0) || trial == most_trials || !changed(path)) break;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::corrupt || trial == most_trials || !changed(path)) throw;
        }
    }
    if (log_.dropped > 0 && LogLock::is_held(log_source_->descriptor())) log_.dropped = 0;  // it is being written
}

Contents::Contents(std::span<const std::byte> file, std::span<const std::byte> log) {
    if (!log.empty()) log_source_.emplace(log);
    file_.emplace(file);
    read();
}

bool Contents::changed(const std::string& path) const {
    return !file_->same_file(path) || !log_source_->same_file(followed(path) + log_ending);
}

void Contents::read() {
    std::uint64_t identity = 0;
    info_ = read_info(*file_, identity);
    log_ = Log{identity, 0, 0, 0, false, {}};
    if (log_source_) log_ = read_log(*log_source_, identity, info_.sections);
    sections_ = std::move(log_.sections);
    if (log_.number == 0)
        for (const SectionInfo& section : info_.sections) sections_.push_back({section, true, false});
    std::uint64_t room = least_room + most_decoded * (file_->bytes() + log_bytes());
    bool found = false;
    each_array(sections_, [&](std::span<const Stored> own) {
        if (own.front().info.name != params_name) return;
        SectionInfo section = own.front().info;
        const Array params = assembled(own, true, room);
        if (own.size() > 1 || own.front().runs) section.checksum = crc32(params.bytes);
        info_.params = params_of(params.bytes, section);
        found = true;
    });
    if (!found) corrupt("section 'params' is missing");
}

std::vector<std::byte> Contents::bytes_of(const Stored& section) const {
    return source(section).records<std::byte>(section.info.offset, section.info.bytes);
}

const std::shared_ptr<const void>& Contents::shared(bool in_file) {
    auto& memory = in_file ? shared_file_ : shared_log_;
    if (!memory) memory = in_file ? file_->share(file_->bytes()) : log_source_->share(log_.end);
    return memory;
}

// mapped: arrays that are not bulk are private copies; otherwise parts of the shared memory. Arrays of several sections
// are always made anew.
Array Contents::assembled(std::span<const Stored> sections, bool mapped, std::uint64_t& room) {
    const Stored& first = sections.front();
    const SectionInfo& info = first.info;
    if (sections.size() == 1 && !first.runs) {
        if (mapped && !info.bulk) return copied(source(first), info, limit(first));
        const auto* start = static_cast<const std::byte*>(shared(first.in_file).get());
        return {info.dtype, {start + info.offset, info.bytes}, shared(first.in_file), info.bulk};
    }
    std::vector<std::byte> bytes;
    for (const Stored& section : sections) {
        const Array own = copied(source(section), section.info, limit(section));
        const std::uint64_t length = section.runs ? decoded_bytes(own.bytes) : own.bytes.size();
        if (length < bytes.size()) fail_section(section.info, "it is shorter than what it changes");
        if (length > room) fail_section(section.info, "an array of " + std::to_string(length) + " bytes");
        room -= length;
        bytes.resize(length);
        if (section.runs)
            xor_runs(own.bytes, bytes);
        else
            std::ranges::copy(own.bytes, bytes.begin());
    }
    if (bytes.size() % dtype_bytes(info.dtype) != 0)
        fail_section(info, std::to_string(bytes.size()) + " bytes are not a multiple of " + dtype_name(info.dtype));
    auto memory = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    return {info.dtype, *memory, memory, false};
}

Parts Contents::parts(bool mapped, Verify verify) {
    if (!mapped) {
        file_->load();
        if (log_source_) log_source_->load();
    }
    std::vector<SectionInfo> checked[2];
    std::uint64_t room = least_room + most_decoded * (file_->bytes() + log_bytes());
    Parts parts{info_.params, {}};
    each_array(sections_, [&](std::span<const Stored> own) {
        const SectionInfo& info = own.front().info;
        if (info.name == params_name) return;  // read and checked already
        const bool whole = own.size() == 1 && !own.front().runs;
        if (whole && (!mapped || info.bulk) && (verify == Verify::all || !info.bulk))
            checked[own.front().in_file].push_back(info);
    });
    for (const bool in_file : {false, true})
        if (!checked[in_file].empty())
            check_sections(in_file ? *file_ : *log_source_, checked[in_file], in_file ? file_->bytes() : log_.end);
    each_array(sections_, [&](std::span<const Stored> own) {
        if (own.front().info.name != params_name) parts.arrays[own.front().info.name] = assembled(own, mapped, room);
    });
    return parts;
}

void Contents::verify() const {
    check_sections(*file_, info_.sections, file_->bytes());
    if (log_source_ && !log_.foreign) verify_log(*log_source_, log_, info_.sections);
}

}  // namespace fewbits::io
