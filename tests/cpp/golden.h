// The files of tests/golden, an index of every kind, for tests that damage or modify them.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "io/io_fixture.h"

namespace golden {

struct File {
    std::string name;
    io_fixture::Bytes bytes;
};

inline const std::vector<File>& files() {
    static const std::vector<File> all = [] {
        std::vector<File> found;
        for (const auto& entry : std::filesystem::directory_iterator(FEWBITS_GOLDEN))
            if (entry.path().extension() == ".fb")
                found.push_back({entry.path().stem().string(), io_fixture::slurp(entry.path().string())});
        std::ranges::sort(found, {}, &File::name);
        return found;
    }();
    return all;
}

inline std::span<const std::byte> bytes_of(const File& file) {
    return std::as_bytes(std::span(file.bytes));
}

}  // namespace golden
