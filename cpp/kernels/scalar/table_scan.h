// scan4 and scan8, as specified.
#pragma once

#include "kernels/scalar/codes.h"

namespace fewbits::kernels {
namespace {

void scan4(const Scan& scan) noexcept {
    scan_blocks(scan, 4, [](const void* table, std::uint32_t s, std::uint32_t code) -> std::uint32_t {
        return static_cast<const std::uint8_t*>(table)[std::size_t{s} * 16 + code];
    });
}

void scan8(const Scan& scan) noexcept {
    scan_blocks(scan, 8, [](const void* table, std::uint32_t s, std::uint32_t code) -> std::uint32_t {
        return static_cast<const std::uint8_t*>(table)[std::size_t{s} * 256 + code];
    });
}

}  // namespace
}  // namespace fewbits::kernels
