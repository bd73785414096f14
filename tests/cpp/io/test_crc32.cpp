// The checksum compared with its published check value, with a bit-by-bit computation, and with itself in pieces.
#include <numeric>
#include <string_view>

#include "check.h"
#include "io/crc32.h"

namespace {

using fewbits::io::crc32;
using fewbits::io::crc32_combine;

std::uint32_t bit_by_bit(std::span<const std::byte> bytes) {
    std::uint32_t crc = ~0u;
    for (const std::byte byte : bytes) {
        crc ^= static_cast<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

std::vector<std::byte> noise(std::size_t n) {
    std::vector<std::byte> bytes(n);
    std::uint32_t state = 1;
    for (std::byte& byte : bytes) {
        state = state * 1664525u + 1013904223u;
        byte = static_cast<std::byte>(state >> 24);
    }
    return bytes;
}

TEST("crc32: check value of the standard") {
    const std::string_view digits = "123456789";
    CHECK_EQ(crc32(std::as_bytes(std::span(digits.data(), digits.size()))), 0xCBF43926u);
    CHECK_EQ(crc32({}), 0u);
}

TEST("crc32: equals bit by bit at every length and alignment") {
    const std::vector<std::byte> bytes = noise(200);
    for (std::size_t start = 0; start < 8; ++start)
        for (std::size_t length = 0; start + length <= bytes.size(); ++length) {
            const auto piece = std::span(bytes).subspan(start, length);
            CHECK_EQ(crc32(piece), bit_by_bit(piece));
        }
}

TEST("crc32: continued and combined at every split") {
    const std::vector<std::byte> bytes = noise(300);
    const std::uint32_t whole = crc32(bytes);
    for (std::size_t split = 0; split <= bytes.size(); ++split) {
        const auto first = std::span(bytes).first(split), second = std::span(bytes).subspan(split);
        CHECK_EQ(crc32(second, crc32(first)), whole);
        CHECK_EQ(crc32_combine(crc32(first), crc32(second), second.size()), whole);
    }
}

}  // namespace
