// The file of an index, and what of the index it holds already: so that a change costs as much as what is new. It works
// on parts alone: whatever an index consists of, arrays that are on disk are not written again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/locks.h"
#include "io/file.h"
#include "io/write_file.h"

namespace fewbits {

namespace io {
class Contents;
}

class IndexFile {
public:
    explicit IndexFile(const std::string& path);                      // reads nothing
    static std::unique_ptr<IndexFile> open(const std::string& path);  // reads header, tables and params
    IndexFile(const IndexFile&) = delete;
    IndexFile& operator=(const IndexFile&) = delete;
    ~IndexFile();

    const std::string& path() const { return path_; }
    const std::map<std::string, std::uint64_t>& params() const { return params_; }  // as they were opened
    const LogInfo& log() const { return log_; }                                     // likewise
    // What was opened, once. The caller gives it back when the index has what it needs of it.
    Parts read(bool mapped, Verify verify);
    void give_back(Parts parts);

    // Replaces the file, and removes its log.
    void save(Parts parts);
    // Writes these parts durably. What the file and its log do not have yet is appended to the log. Saves instead if
    // this object has neither read nor written the file, or if the log would become longer than half of the file. From
    // then on, nobody else may write to the path until this object is destroyed. Throws Error(io): EWOULDBLOCK if
    // another index writes to the path, ESTALE if one has written to it since this object read or wrote it.
    void sync(Parts parts);

private:
    // An array as it is on disk. Bytes that nothing else keeps, and that the next state is compared with, are kept.
    struct Known {
        DType dtype;
        bool bulk;
        std::span<const std::byte> bytes;
        std::weak_ptr<const void> owner;
        std::shared_ptr<const void> kept;
        std::vector<io::Stored> sections;
        std::vector<std::shared_ptr<const std::vector<std::byte>>> runs;  // of each section that is such

        bool is(const Array& array) const;  // the same memory
        bool equals(const Array& array) const;
        Known in(const Array& array) const;
        bool readable() const { return bytes.empty() || !owner.expired(); }
    };
    struct Added;  // what a change adds to the log
    using Arrays = std::map<std::string, Array>;

    void hold(const io::Place& place);
    bool holds_file(const io::Place& place) const;
    void hold_log(const io::Place& place);
    void create_log(const io::Place& place);
    void save_all(const io::Place& place, Arrays arrays, std::uint64_t major);
    Added added(const Arrays& arrays) const;
    void append(const io::Place& place, Added next);
    void mark_synced() noexcept;
    static Known known_of(const Array& array, bool keeps);

    std::string path_;
    std::unique_ptr<io::Contents> contents_;  // until they are read
    std::map<std::string, std::uint64_t> params_;
    LogInfo log_{0, 0, 0};
    ForkMutex mutex_;
    bool known_ = false;  // what the file holds
    std::uint64_t identity_ = 0, file_bytes_ = 0, major_ = 0;
    std::vector<SectionInfo> file_sections_;
    std::map<std::string, Known> arrays_;  // and the params
    std::optional<io::LogLock> lock_;
    bool listed_ = false;  // whether the folder's entry of the log is on disk
    std::uint64_t number_ = 0, end_ = 0;
};

}  // namespace fewbits
