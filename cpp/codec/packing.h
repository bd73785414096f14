// Converts the codes of one row between one byte per element and the stored forms: nibbles (low first) and bit planes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fewbits::codec {

// m codes of 4 or 8 bits into (m * bits + 7) / 8 bytes, and back.
inline void pack_codes(const std::uint8_t* codes, std::size_t m, std::uint32_t bits, std::uint8_t* row) {
    if (bits == 8) {
        std::memcpy(row, codes, m);
        return;
    }
    for (std::size_t i = 0; i < m / 2; ++i) row[i] = static_cast<std::uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    if (m % 2) row[m / 2] = codes[m - 1];
}

inline void unpack_codes(const std::uint8_t* row, std::size_t m, std::uint32_t bits, std::uint8_t* codes) {
    if (bits == 8) {
        std::memcpy(codes, row, m);
        return;
    }
    for (std::size_t i = 0; i < m / 2; ++i) {
        codes[2 * i] = row[i] & 15;
        codes[2 * i + 1] = row[i] >> 4;
    }
    if (m % 2) codes[m - 1] = row[m / 2] & 15;
}

constexpr std::size_t plane_bytes(std::size_t dim) {
    return (dim + 7) / 8;
}

// The bit planes of codes of `bits` bits, high first, each plane_bytes(dim): bit j % 8 of byte j / 8 belongs to
// dimension j.
inline void pack_planes(const std::uint8_t* codes, std::size_t dim, std::uint32_t bits, std::uint8_t* row) {
    const std::size_t plane = plane_bytes(dim);
    for (std::size_t at = 0; at < plane; ++at) {
        std::uint8_t bytes[8] = {};
        for (std::size_t j = 8 * at; j < dim && j < 8 * at + 8; ++j)
            for (std::uint32_t p = 0; p < bits; ++p)
                bytes[p] = static_cast<std::uint8_t>(bytes[p] | (codes[j] >> (bits - 1 - p) & 1) << (j % 8));
        for (std::size_t p = 0; p < bits; ++p) row[p * plane + at] = bytes[p];
    }
}

inline void unpack_planes(const std::uint8_t* row, std::size_t dim, std::uint32_t bits, std::uint8_t* codes) {
    const std::size_t plane = plane_bytes(dim);
    for (std::size_t j = 0; j < dim; ++j) {
        std::uint8_t code = 0;
        for (std::size_t p = 0; p < bits; ++p)
            code = static_cast<std::uint8_t>(code << 1 | (row[p * plane + j / 8] >> (j % 8) & 1));
        codes[j] = code;
    }
}

}  // namespace fewbits::codec
