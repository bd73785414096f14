// CRC-32 is the remainder of the message, a polynomial over GF(2), modulo a polynomial of degree 32; bit 31 of a word
// is the coefficient of x^0. Sixteen tables advance sixteen bytes at once: table[j][b] is byte b followed by j zero
// bytes.
#include "io/crc32.h"

#include <array>
#include <bit>
#include <cstring>

namespace fewbits::io {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t polynomial = 0xEDB88320;
constexpr std::size_t stride = 16;

constexpr std::uint32_t times_x(std::uint32_t a) {
    return (a >> 1) ^ ((a & 1) != 0 ? polynomial : 0);
}

using Tables = std::array<std::array<std::uint32_t, 256>, stride>;

constexpr Tables make_tables() {
    Tables table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t rest = byte;
        for (int bit = 0; bit < 8; ++bit) rest = times_x(rest);
        table[0][byte] = rest;
    }
    for (std::size_t j = 1; j < stride; ++j)
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t rest = table[j - 1][byte];
            table[j][byte] = (rest >> 8) ^ table[0][rest & 255];
        }
    return table;
}

constexpr Tables tables = make_tables();

// The contribution of four bytes that are followed by `zeros` further bytes of the same step.
std::uint32_t advance(std::uint32_t word, std::size_t zeros) {
    return tables[zeros + 3][word & 255] ^ tables[zeros + 2][word >> 8 & 255] ^ tables[zeros + 1][word >> 16 & 255]
           ^ tables[zeros][word >> 24];
}

std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
    std::uint32_t product = 0;
    for (; a != 0; a <<= 1, b = times_x(b))
        if ((a >> 31) != 0) product ^= b;
    return product;
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) {
    std::uint32_t crc = ~before;
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= stride; at += stride, left -= stride) {
        std::array<std::uint32_t, 4> words;
        std::memcpy(words.data(), at, stride);
        crc = advance(words[0] ^ crc, 12) ^ advance(words[1], 8) ^ advance(words[2], 4) ^ advance(words[3], 0);
    }
    for (; left > 0; ++at, --left) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<std::uint32_t>(*at)) & 255];
    return ~crc;
}

std::uint32_t crc32_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
    std::uint32_t shift = 1u << 31;  // x^0
    std::uint32_t power = 1u << 23;  // x^8, squared in every step
    for (; second_bytes > 0; second_bytes >>= 1, power = multiply(power, power))
        if ((second_bytes & 1) != 0) shift = multiply(shift, power);
    return multiply(first, shift) ^ second;
}

}  // namespace fewbits::io
