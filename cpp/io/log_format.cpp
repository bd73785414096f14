#include "io/log_format.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "io/crc32.h"

namespace fewbits::io {
namespace {

constexpr unsigned char begin_magic[8] = {0x89, 'F', 'B', 'C', '\r', '\n', 0x1A, '\n'};
constexpr unsigned char end_magic[8] = {0x89, 'F', 'B', 'E', '\r', '\n', 0x1A, '\n'};
constexpr std::uint32_t in_file_flag = 2, runs_flag = 4;
constexpr std::size_t scanned_at_once = std::size_t{1} << 16;

std::uint32_t checksum_of(const Mark& mark) {
    return crc32({reinterpret_cast<const std::byte*>(&mark), offsetof(Mark, checksum)});
}

bool is_mark(const Mark& mark, const unsigned char (&magic)[8]) {
    return std::memcmp(mark.magic, magic, sizeof magic) == 0 && mark.checksum == checksum_of(mark);
}

[[noreturn]] void damaged(std::uint64_t number, const std::string& what) {
    corrupt("change " + std::to_string(number) + " of the log: " + what);
}

bool same_place(const SectionInfo& x, const SectionInfo& y) {
    return x.offset == y.offset && x.bytes == y.bytes && x.dtype == y.dtype && x.checksum == y.checksum
           && x.bulk == y.bulk;
}

// Sections of the file by offset. Empty ones may share theirs with another.
bool is_in(std::span<const SectionInfo> file, const SectionInfo& section) {
    const auto same = std::ranges::equal_range(file, section.offset, {}, &SectionInfo::offset);
    return std::ranges::any_of(same, [&](const SectionInfo& other) { return same_place(section, other); });
}

void check_order(const Stored& section, const Stored& before) {
    if (before.info.name < section.info.name) return;
    if (before.info.name != section.info.name) fail_section(section.info, "names are not in ascending order");
    if (!section.runs || section.info.bulk || before.info.bulk || section.info.dtype != before.info.dtype)
        fail_section(section.info, "it cannot change the array of this name");
}

// The sections that the change added, ascending.
std::vector<SectionInfo> own_sections(const Change& change) {
    std::vector<SectionInfo> own;
    for (const Stored& section : change.sections)
        if (!section.in_file && section.info.offset >= change.mark.begin) own.push_back(section.info);
    std::ranges::sort(own, {}, [](const SectionInfo& section) { return std::pair(section.offset, section.bytes); });
    const auto twice = std::ranges::unique(own, same_place);  // two arrays may be one section
    own.erase(twice.begin(), twice.end());
    return own;
}

// Visits the marks of `from..bytes` of the log, in any order; visit(mark, offset).
template <class Visit>
void each_mark(const Source& log, std::uint64_t from, Visit visit) {
    for (std::uint64_t first = from; first + sizeof(Mark) <= log.bytes(); first += scanned_at_once) {
        const std::uint64_t n = std::min<std::uint64_t>(scanned_at_once, log.bytes() - first) / sizeof(Mark);
        const std::vector<Mark> marks = log.records<Mark>(first, n);
        for (std::uint64_t i = 0; i < n; ++i)
            if (is_begin(marks[i]) || is_end(marks[i])) visit(marks[i], first + i * sizeof(Mark));
    }
}

std::optional<Mark> end_mark(const Source& log, std::uint64_t end) {
    if (end < sizeof(Mark) || end % alignment != 0 || end > log.bytes()) return std::nullopt;
    const Mark mark = log.records<Mark>(end - sizeof(Mark), 1)[0];
    return is_end(mark) ? std::optional(mark) : std::nullopt;
}

// Where the last mark of the last complete-looking change ends; 0 if there is none.
std::uint64_t last_end(const Source& log) {
    const std::uint64_t whole = log.bytes() / alignment * alignment;
    for (const std::uint64_t after : {sizeof(Mark), std::size_t{0}})  // the first mark of the next change
        if (whole >= after && end_mark(log, whole - after)) return whole - after;
    std::uint64_t end = 0;
    each_mark(log, 0, [&](const Mark& mark, std::uint64_t at) {
        if (is_end(mark)) end = at + sizeof(Mark);
    });
    return end;
}

// Changes are written one after the other, so a mark of the change after the next proves that the next was complete.
void check_rest(const Source& log, std::uint64_t end, std::uint64_t number) {
    each_mark(log, end, [&](const Mark& mark, std::uint64_t at) {
        if (mark.number > number + 1)
            damaged(number + 1, "it is damaged, as change " + std::to_string(mark.number) + " follows at offset "
                                    + std::to_string(at));
    });
}

// Whether the first mark of the next change is there: it is written when a change has been synced.
bool is_followed(const Source& log, std::uint64_t end, std::uint64_t number) {
    if (end + sizeof(Mark) > log.bytes()) return false;
    const Mark mark = log.records<Mark>(end, 1)[0];
    return is_begin(mark) && mark.number == number + 1 && mark.begin == end;
}

Change change_at(const Source& log, std::uint64_t end, std::uint64_t number, std::span<const SectionInfo> file) {
    const std::optional<Mark> mark = end_mark(log, end);
    if (!mark || mark->number != number) damaged(number, "expected its end at offset " + std::to_string(end));
    return read_change(log, *mark, end, file);
}

}  // namespace

void seal(Mark& mark) {
    mark.checksum = checksum_of(mark);
}

Mark make_begin(std::uint64_t identity, std::uint64_t number, std::uint64_t begin) {
    Mark mark{};
    std::memcpy(mark.magic, begin_magic, sizeof begin_magic);
    mark.identity = identity;
    mark.number = number;
    mark.begin = begin;
    seal(mark);
    return mark;
}

Mark make_end(const Mark& begin, std::uint64_t table_offset, std::span<const Entry> table) {
    Mark mark = begin;
    std::memcpy(mark.magic, end_magic, sizeof end_magic);
    mark.table = table_offset;
    mark.sections = static_cast<std::uint32_t>(table.size());
    mark.table_checksum = crc32(std::as_bytes(table));
    seal(mark);
    return mark;
}

bool is_begin(const Mark& mark) {
    return is_mark(mark, begin_magic);
}

bool is_end(const Mark& mark) {
    return is_mark(mark, end_magic);
}

std::vector<Entry> make_table(const std::vector<Stored>& sections) {
    std::vector<Entry> table;
    for (const Stored& section : sections) {
        table.push_back(make_entry(section.info));
        table.back().flags |= (section.in_file ? in_file_flag : 0) | (section.runs ? runs_flag : 0);
    }
    return table;
}

Change read_change(const Source& log, const Mark& mark, std::uint64_t end, std::span<const SectionInfo> file) {
    Change change{mark, {}};
    const std::uint64_t table_bytes = std::uint64_t{mark.sections} * sizeof(Entry);
    if (mark.sections > max_records || mark.begin % alignment != 0 || mark.table % alignment != 0 || mark.begin > end
        || end - mark.begin < table_bytes + 2 * sizeof(Mark) || mark.table != end - sizeof(Mark) - table_bytes
        || mark.number == 0 || (mark.begin == 0) != (mark.number == 1))
        damaged(mark.number, "its last mark is not that of a change");
    const Mark begin = log.records<Mark>(mark.begin, 1)[0];
    if (!is_begin(begin) || begin.number != mark.number || begin.begin != mark.begin || begin.identity != mark.identity)
        damaged(mark.number, "it does not begin at offset " + std::to_string(mark.begin));
    const std::vector<Entry> table = log.records<Entry>(mark.table, mark.sections);
    if (crc32(std::as_bytes(std::span(table))) != mark.table_checksum)
        damaged(mark.number, "checksum mismatch of its table at offset " + std::to_string(mark.table));
    for (std::size_t i = 0; i < table.size(); ++i) {
        Entry entry = table[i];
        const std::uint32_t own_flags = entry.flags & (in_file_flag | runs_flag);
        entry.flags &= ~own_flags;
        const Stored section{check_entry(entry, i), (own_flags & in_file_flag) != 0, (own_flags & runs_flag) != 0};
        const SectionInfo& info = section.info;
        if (section.runs && (section.in_file || info.bulk)) fail_section(info, "it cannot be runs of words");
        if (section.in_file && !is_in(file, info)) fail_section(info, "it is not a section of the file");
        if (!section.in_file
            && (info.offset % alignment != 0 || info.offset > mark.table || info.bytes > mark.table - info.offset))
            fail_section(info, "it is not a section of the log");
        if (i > 0) check_order(section, change.sections.back());
        change.sections.push_back(section);
    }
    std::uint64_t at = mark.begin + sizeof(Mark);
    for (const SectionInfo& section : own_sections(change)) {
        if (section.offset != next_offset(at)) fail_section(section, "expected at offset " + std::to_string(at));
        at = section.offset + section.bytes;
    }
    if (mark.table != next_offset(at)) damaged(mark.number, "its table is not after its sections");
    return change;
}

void check_change(const Source& log, const Change& change) {
    check_sections(log, own_sections(change), change.mark.table);
}

Log read_log(const Source& source, std::uint64_t identity, std::span<const SectionInfo> file) {
    Log log{identity, 0, 0, 0, false, {}};
    std::uint64_t end = last_end(source);
    const std::optional<Mark> last = end_mark(source, end);
    if (last && last->identity != identity) {
        log.foreign = true;
        return log;
    }
    if (!last) each_mark(source, 0, [&](const Mark& mark, std::uint64_t) { log.foreign |= mark.identity != identity; });
    if (log.foreign) return log;
    check_rest(source, end, last ? last->number : 0);
    const bool synced = last && is_followed(source, end, last->number);
    if (last) {
        Change change;
        try {
            change = read_change(source, *last, end, file);
            if (!synced) check_change(source, change);
        } catch (const Error& error) {  // it was not completed, unless more follows
            if (error.kind() != ErrorKind::corrupt || end + sizeof(Mark) <= source.bytes()) throw;
            end = last->number > 1 ? last->begin : 0;
            change = {};
            if (last->number > 1) change = change_at(source, end, last->number - 1, file);
        }
        log.number = change.mark.number;
        log.sections = std::move(change.sections);
    }
    log.end = end;
    log.dropped = source.bytes() - end;
    if (synced && log.dropped == sizeof(Mark)) log.dropped = 0;
    return log;
}

void verify_log(const Source& source, const Log& log, std::span<const SectionInfo> file) {
    std::uint64_t end = log.end;
    for (std::uint64_t number = log.number; number > 0; --number) {
        const Change change = change_at(source, end, number, file);
        check_change(source, change);
        end = change.mark.begin;
    }
}

}  // namespace fewbits::io
