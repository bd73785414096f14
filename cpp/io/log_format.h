// The log of an index file: changes that follow it, as specified in docs/format.md ("Logs"). Each change consists of a
// mark, the arrays that are on disk nowhere yet, a table of all arrays of the index, and a mark. The last change
// therefore says all, and opening needs no others. When a change is synced, the first mark of the next is written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/format.h"
#include "io/source.h"

namespace fewbits::io {

inline constexpr const char* log_ending = ".log";

struct Mark {
    unsigned char magic[8];
    std::uint64_t identity;  // of the file that the log belongs to (source.h)
    std::uint64_t number;    // of the change, from 1
    std::uint64_t begin;     // where the change begins
    std::uint64_t table;     // 0 in the first mark, which does not know it
    std::uint32_t sections;  // likewise
    std::uint32_t table_checksum;
    unsigned char reserved[12];
    std::uint32_t checksum;  // of the 60 bytes before it
};
static_assert(sizeof(Mark) == 64);

// A section of the file or of its log. An array is one section, or the XOR of several: whole or as runs of words
// (runs.h) the first, and as runs the others, in the order in which they were written.
struct Stored {
    SectionInfo info;
    bool in_file = false;
    bool runs = false;
};

Mark make_begin(std::uint64_t identity, std::uint64_t number, std::uint64_t begin);
Mark make_end(const Mark& begin, std::uint64_t table_offset, std::span<const Entry> table);
bool is_begin(const Mark& mark);  // also compares the checksum
bool is_end(const Mark& mark);
void seal(Mark& mark);

std::vector<Entry> make_table(const std::vector<Stored>& sections);

struct Change {
    Mark mark{};                   // the last one
    std::vector<Stored> sections;  // of all arrays and of the params, in order
    std::uint64_t end() const { return mark.table + mark.sections * sizeof(Entry) + sizeof(Mark); }
};

// The change that ends with `mark`, which lies in the log at end - 64: its table is checked, and what it says about
// sections of the file must be in `file`. Throws Error(corrupt).
Change read_change(const Source& log, const Mark& mark, std::uint64_t end, std::span<const SectionInfo> file);
// Checks every byte of a change but those of its table.
void check_change(const Source& log, const Change& change);

// What a log adds to a file.
struct Log {
    std::uint64_t identity = 0;
    std::uint64_t number = 0;      // of the last change; 0: there is none
    std::uint64_t end = 0;         // of the last change
    std::uint64_t dropped = 0;     // bytes after it, of a change that was not completed
    bool foreign = false;          // it belongs to another file: one that was replaced
    std::vector<Stored> sections;  // if there is a change
};

// The last complete change. Only the last change may be incomplete; otherwise throws Error(corrupt).
Log read_log(const Source& log, std::uint64_t identity, std::span<const SectionInfo> file);
// Every byte of the log as far as its last complete change.
void verify_log(const Source& source, const Log& log, std::span<const SectionInfo> file);

}  // namespace fewbits::io
