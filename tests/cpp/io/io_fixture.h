// Shared by the tests of the file format: a folder that is deleted after the test, whole files as bytes, small
// contents, and files whose checksums are right even if other things are wrong.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "io/crc32.h"
#include "io/file.h"
#include "io/format.h"

namespace io_fixture {

using namespace fewbits;
namespace fs = std::filesystem;
using Bytes = std::vector<unsigned char>;

class Folder {
public:
    Folder() {
        std::string pattern = (fs::temp_directory_path() / "fewbits-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        fs::permissions(path_, fs::perms::owner_all, ignored);
        fs::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return (path_ / name).string(); }
    std::string path() const { return path_.string(); }
    std::size_t entries() const {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
    }

private:
    fs::path path_;
};

inline Bytes slurp(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void dump(const std::string& path, const Bytes& bytes) {
    fs::remove(path);  // some file systems write out a truncated file at once, and a test dumps thousands
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

template <class T>
Array make_array(DType dtype, std::vector<T> values) {
    auto owner = std::make_shared<std::vector<T>>(std::move(values));
    return {dtype, std::as_bytes(std::span<const T>(*owner)), owner};
}

template <class T>
Array make_bulk(DType dtype, std::vector<T> values) {
    Array array = make_array(dtype, std::move(values));
    array.bulk = true;
    return array;
}

template <class T>
std::vector<T> counting(std::size_t n, int start = 1) {
    std::vector<T> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<T>(static_cast<int>(i) + start);
    return values;
}

// Every dtype, odd sizes, an empty array in the middle and one at the end.
inline Parts small_parts() {
    Parts parts;
    parts.params = {{"dim", 7}, {"metric", 1}, {"largest", ~std::uint64_t{0}}};
    parts.arrays["codec.levels"] = make_array(DType::u8, counting<std::uint8_t>(16));
    parts.arrays["codec.mean"] = make_array(DType::f32, counting<float>(7));
    parts.arrays["partition.centroids"] = make_array(DType::f16, counting<std::uint16_t>(21));
    parts.arrays["signed"] = make_array(DType::i8, counting<std::int8_t>(1, -3));
    parts.arrays["seg0.codes"] = make_bulk(DType::u8, counting<std::uint8_t>(65));
    parts.arrays["seg0.ids"] = make_bulk(DType::i64, counting<std::int64_t>(5, -2));
    parts.arrays["seg0.a"] = make_bulk(DType::f32, std::vector<float>{});
    parts.arrays["seg0.lists"] = make_array(DType::u64, counting<std::uint64_t>(3));
    parts.arrays["words"] = make_array(DType::u32, counting<std::uint32_t>(9));
    parts.arrays["x.short"] = make_array(DType::u16, counting<std::uint16_t>(3));
    parts.arrays["z"] = make_array(DType::u32, std::vector<std::uint32_t>{});
    return parts;
}

inline bool same(const Parts& a, const Parts& b) {
    return a.params == b.params
           && std::equal(a.arrays.begin(), a.arrays.end(), b.arrays.begin(), b.arrays.end(),
                         [](const auto& x, const auto& y) {
                             return x.first == y.first && x.second.dtype == y.second.dtype
                                    && std::ranges::equal(x.second.bytes, y.second.bytes);
                         });
}

// --- bytes of a file as the structs of the format ---------------------------------------------------------------
inline io::Header& header_of(Bytes& file) {
    return *reinterpret_cast<io::Header*>(file.data());
}

inline std::span<io::Entry> table_of(Bytes& file) {
    return {reinterpret_cast<io::Entry*>(file.data() + sizeof(io::Header)),
            (std::min<std::size_t>)(header_of(file).sections, (file.size() - sizeof(io::Header)) / sizeof(io::Entry))};
}

inline io::Entry& entry_of(Bytes& file, const std::string& name) {
    for (io::Entry& entry : table_of(file))
        if (name == entry.name) return entry;
    throw std::runtime_error("no section " + name);
}

// Makes every checksum right: those of the sections that lie in the file, of the table, and of the header.
inline void seal(Bytes& file) {
    const auto bytes = std::as_bytes(std::span(file));
    for (io::Entry& entry : table_of(file))
        if (entry.offset <= file.size() && entry.bytes <= file.size() - entry.offset)
            entry.checksum = io::crc32(bytes.subspan(entry.offset, entry.bytes));
    header_of(file).table_checksum = io::crc32(std::as_bytes(std::span<const io::Entry>(table_of(file))));
    header_of(file).checksum = io::crc32(bytes.first(60));
}

enum class Outcome { ok, corrupt, version, io, other };

template <class Work>
Outcome outcome(Work work, std::string* message = nullptr) {
    try {
        work();
        return Outcome::ok;
    } catch (const Error& error) {
        if (message != nullptr) *message = error.what();
        switch (error.kind()) {
            case ErrorKind::corrupt:
                return Outcome::corrupt;
            case ErrorKind::version:
                return Outcome::version;
            case ErrorKind::io:
                return Outcome::io;
            default:
                return Outcome::other;
        }
    }
}

inline int errno_of(const std::string& path, const Parts& parts) {
    try {
        write_file(path, parts);
    } catch (const Error& error) {
        return error.kind() == ErrorKind::io ? error.error_number() : -1;
    }
    return 0;
}

}  // namespace io_fixture
