// Writing of files, for saves and for the logs that follow them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/crc32.h"
#include "io/log_format.h"
#include "io/log_lock.h"
#include "io/test_point.h"

namespace fewbits::io {

// Where a path leads: to a name in a folder, with symbolic links resolved. The file need not exist.
class Place {
public:
    explicit Place(const std::string& path);
    const std::string& path() const { return path_; }
    Handle folder() const { return folder_.get(); }
    const std::string& name() const { return name_; }
    const std::string& log_name() const { return log_name_; }

private:
    std::string path_, name_, log_name_;
    Descriptor folder_;
};

struct Written {
    std::uint64_t identity = 0, bytes = 0;
    std::vector<SectionInfo> sections;
};

// The arrays, and the params as an additional array.
std::map<std::string, Array> all_arrays(Parts parts);
// Replaces the file atomically. A log must be removed afterwards.
Written write_file(const Place& place, const std::map<std::string, Array>& arrays, std::uint64_t major);
void remove_log(const Place& place, const LogLock& log);

// Calls write(bytes, offset) for each chunk of the array; returns the checksum of the array.
template <class Write>
std::uint32_t write_array(std::span<const std::byte> bytes, std::uint64_t offset, Write write) {
    constexpr std::size_t chunk_bytes = std::size_t{1} << 20;
    std::uint32_t checksum = 0;
    while (!bytes.empty()) {
        const std::span<const std::byte> chunk = bytes.first(std::min(chunk_bytes, bytes.size()));
        checksum = crc32(chunk, checksum);
        write(chunk, offset);
        bytes = bytes.subspan(chunk.size());
        offset += chunk.size();
        test_point("chunk");
    }
    return checksum;
}

}  // namespace fewbits::io
