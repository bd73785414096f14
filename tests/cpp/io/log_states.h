// Successive states of an index as parts, for tests of logs: arrays are added, dropped, renamed and changed, as an
// index does that adds, merges and removes.
#pragma once

#include "io/index_file.h"
#include "io/io_fixture.h"

namespace log_states {

using namespace io_fixture;

// `size`: bytes of a segment's codes.
struct States {
    std::vector<Parts> all;

    explicit States(std::size_t size = 700) {
        Parts parts;
        parts.params = {{"dim", 7}, {"next_id", 10}};
        parts.arrays["codec.mean"] = make_array(DType::f32, counting<float>(7));
        parts.arrays["meta"] = make_array(DType::u8, counting<std::uint8_t>(90));
        add(parts, 0, 3 * size, 1);
        next(parts);  // saved
        add(parts, 1, size, 2);
        next(parts);
        parts.arrays["seg0.removed"] = make_array(DType::u8, std::vector<std::uint8_t>(400));
        next(parts);
        for (const std::size_t at : {3, 77, 300, 301}) {
            parts.arrays["seg0.removed"] = changed(parts.arrays["seg0.removed"], at);
            parts.params["next_id"] += at;
            next(parts);
        }
        parts.arrays["meta"] = make_array(DType::u8, counting<std::uint8_t>(130));  // grows
        add(parts, 2, size / 3, 3);
        next(parts);
        parts.arrays["meta"] = make_array(DType::u8, counting<std::uint8_t>(20, 7));  // shrinks
        drop(parts, 1);  // and the segment after it takes its name
        next(parts);
        parts.arrays["codec.scoring"] = make_array(DType::f32, counting<float>(5));
        next(parts);
    }

    // With no codes that another state has.
    static Parts of_another(std::size_t size) {
        Parts parts;
        parts.params = {{"dim", 8}};
        add(parts, 0, size, 9);
        return parts;
    }

private:
    void next(const Parts& parts) { all.push_back(parts); }

    static void add(Parts& parts, int segment, std::size_t bytes, int value) {
        const std::string name = "seg" + std::to_string(segment) + ".";
        parts.params[name + "n"] = bytes;
        std::vector<std::uint64_t> lists(200);
        std::fill(lists.begin() + 50, lists.end(), bytes);
        parts.arrays[name + "lists"] = make_array(DType::u64, lists);
        parts.arrays[name + "codes"] = make_bulk(DType::u8, counting<std::uint8_t>(bytes, value));
        parts.arrays[name + "a"] = make_bulk(DType::f32, counting<float>(bytes / 8, value));
    }

    static void drop(Parts& parts, int segment) {
        const std::string name = "seg" + std::to_string(segment) + ".",
                          from = "seg" + std::to_string(segment + 1) + ".";
        for (const char* array : {"lists", "codes", "a"}) {
            parts.arrays[name + array] = parts.arrays.at(from + array);
            parts.arrays.erase(from + array);
        }
        parts.params[name + "n"] = parts.params.at(from + "n");
        parts.params.erase(from + "n");
    }

    static Array changed(const Array& array, std::size_t at) {
        std::vector<std::uint8_t> bytes(array.bytes.size());
        std::memcpy(bytes.data(), array.bytes.data(), bytes.size());
        bytes[at] ^= 0x5A;
        return make_array(DType::u8, bytes);
    }
};

// The number of the state that a file holds, or -1.
inline int state_in(const Parts& read, const std::vector<Parts>& states) {
    for (std::size_t i = 0; i < states.size(); ++i)
        if (same(read, states[i])) return static_cast<int>(i);
    return -1;
}

inline Parts read_all(const std::string& path) {
    return read_file(path, true, Verify::all);
}

// A file that knows nothing yet, with the first `n` states written to it.
inline std::unique_ptr<IndexFile> synced(const std::string& path, const std::vector<Parts>& states, std::size_t n) {
    auto file = std::make_unique<IndexFile>(path);
    file->save(states.at(0));
    for (std::size_t i = 1; i < n; ++i) file->sync(states[i]);
    return file;
}

// What happens if `file` is opened by someone else.
inline std::unique_ptr<IndexFile> opened(const std::string& path, bool mapped = true) {
    auto file = IndexFile::open(path);
    file->give_back(file->read(mapped, Verify::all));
    return file;
}

// Makes the checksums of the marks and tables of a log right.
inline void seal_log(Bytes& log, std::uint64_t identity) {
    for (std::size_t at = 0; at + sizeof(io::Mark) <= log.size(); at += io::alignment) {
        auto& mark = *reinterpret_cast<io::Mark*>(log.data() + at);
        if (std::memcmp(mark.magic + 1, "FB", 2) != 0 || (mark.magic[3] != 'C' && mark.magic[3] != 'E')) continue;
        mark.identity = identity;
        const std::uint64_t table_bytes = std::uint64_t{mark.sections} * sizeof(io::Entry);
        if (mark.magic[3] == 'E' && mark.table <= log.size() && table_bytes <= log.size() - mark.table
            && mark.table % io::alignment == 0) {
            const auto bytes = std::as_bytes(std::span(log));
            const std::span<io::Entry> table{reinterpret_cast<io::Entry*>(log.data() + mark.table), mark.sections};
            for (io::Entry& entry : table)
                if ((entry.flags & 2) == 0 && entry.offset <= log.size() && entry.bytes <= log.size() - entry.offset)
                    entry.checksum = io::crc32(bytes.subspan(entry.offset, entry.bytes));
            mark.table_checksum = io::crc32(std::as_bytes(std::span<const io::Entry>(table)));
        }
        io::seal(mark);
    }
}

// Of a whole file.
inline std::uint64_t identity_of(const Bytes& file) {
    const auto& header = *reinterpret_cast<const io::Header*>(file.data());
    const std::uint64_t head = sizeof header + std::uint64_t{header.sections} * sizeof(io::Entry);
    return io::identity_of(std::as_bytes(std::span(file)).first(std::min<std::uint64_t>(head, file.size())));
}

}  // namespace log_states
