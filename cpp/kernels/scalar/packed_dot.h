// dot4, dot_bits, dot_digits and dot8, and their maximum kernels, as specified.
#pragma once

#include "kernels/scalar/codes.h"

namespace fewbits::kernels {
namespace {

template <auto take>
void dot_nibbles(const Scan& scan) noexcept {
    scan_blocks<take>(scan, 4, [&scan](const void* table, std::uint32_t s, std::uint32_t code) {
        return product(static_cast<const std::int8_t*>(table)[s], scan.levels[code]);
    });
}

void dot4(const Scan& scan) noexcept {
    dot_nibbles<offer>(scan);
}

// Run s is the (s % bits)-th of its quad. `bits` is made up of fields of 4, 2 and 1 bits, high ones first; a run with
// fields of `width` bits holds those of 4 / width dimensions.
template <std::uint32_t bits>
void dot_of_bits(const Scan& scan) noexcept {
    scan_blocks(scan, 4, [](const void* table, std::uint32_t s, std::uint32_t code) {
        std::uint32_t run = s % bits, width = 4;
        while ((bits & width) == 0 || run >= width) {
            if ((bits & width) != 0) run -= width;
            width /= 2;
        }
        const std::uint32_t dimensions = 4 / width, low_bits = bits & (width - 1);
        const std::int8_t* query = static_cast<const std::int8_t*>(table) + s / bits * 4 + run * dimensions;
        std::uint32_t sum = 0;
        for (std::uint32_t j = 0; j < dimensions; ++j) {
            const std::uint32_t field = (code >> (j * width)) & ((1u << width) - 1);
            sum += product(query[j], static_cast<std::int32_t>(field << low_bits));
        }
        return sum;
    });
}

void dot_digits(const Scan& scan) noexcept {
    for (std::uint32_t q = 0; q < scan.n_queries; ++q) {
        ScanQuery& query = scan.queries[q];
        for (std::uint32_t v = 0; v < scan.n; ++v) {
            const std::int8_t* weights = static_cast<const std::int8_t*>(query.table);
            std::uint32_t sum = 0;
            for (std::uint32_t s = 0; s < scan.m; ++s, weights += 2) {
                if (s % 2 == 0 && scan.levels[s / 2] != 0) sum *= 4;
                const std::uint32_t two = code_at(scan, 4, v, s);
                sum += product(weights[0], static_cast<std::int32_t>(two & 3))
                       + product(weights[1], static_cast<std::int32_t>(two >> 2));
            }
            offer(scan, query, static_cast<float>(static_cast<std::int32_t>(sum)), v);
        }
    }
}

template <auto take>
void dot_bytes(const Scan& scan) noexcept {
    scan_blocks<take>(scan, 8, [](const void* table, std::uint32_t s, std::uint32_t code) {
        return product(static_cast<const std::int8_t*>(table)[s], static_cast<std::int32_t>(code));
    });
}

void dot8(const Scan& scan) noexcept {
    dot_bytes<offer>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    dot_nibbles<raise>(scan);
}
void max_dot8(const Scan& scan) noexcept {
    dot_bytes<raise>(scan);
}

}  // namespace
}  // namespace fewbits::kernels
