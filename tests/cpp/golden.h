// The files of tests/golden, an index of every kind, for tests that damage or modify them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "io/io_fixture.h"

namespace golden {

struct File {
    std::string name;
    io_fixture::Bytes bytes;
};

const std::vector<File>& files();

inline std::span<const std::byte> bytes_of(const File& file) {
    return std::as_bytes(std::span(file.bytes));
}

}  // namespace golden
