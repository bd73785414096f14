// What the integer scans of AVX2 and NEON share that needs no intrinsics: the blocks of a scan, the runs of a block,
// and the least sum that can be a hit. Everything here is local to the including file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/fetch_ahead.h"
#include "kernels/kernels.h"

namespace fewbits::kernels {
namespace {

constexpr std::uint32_t elements_per_spill = 256;  // 256 * 255 is the largest sum of bytes that fits 16 bits

constexpr std::uint32_t min(std::uint32_t a, std::uint32_t b) noexcept {
    return a < b ? a : b;
}

// The runs of a block, readable 4 * element_bits bytes (a full run) at a time, whatever the block's size.
//
// A short block has short runs, and a full-width load of the last ones would read past the buffer, so these are read
// from a copy. Bytes past a run belong to the next run or are zero; they are lanes of vectors that do not exist.
template <std::uint32_t element_bits>
struct Runs {
    static constexpr std::uint32_t width = 4 * element_bits;

    Runs(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m) noexcept
        : codes(block), stride(run_bytes(element_bits, vectors)) {
        const auto unsafe = static_cast<std::uint32_t>((width - 1) / stride);
        in_place = unsafe == 0 ? m : m > unsafe ? (m - unsafe) & ~1u : 0;
        __builtin_memset(tail, 0, sizeof tail);
        if (in_place < m) __builtin_memcpy(tail, block + in_place * stride, (m - in_place) * stride);
    }

    const std::uint8_t* at(std::uint32_t s) const noexcept {
        return s < in_place ? codes + s * stride : tail + (s - in_place) * stride;
    }

    const std::uint8_t* codes;
    std::size_t stride;
    std::uint32_t in_place;  // runs read where they are: an even number, or all
    alignas(32) std::uint8_t tail[3 * width];
};

// A bit for each of vectors v .. v + vectors - 1 that may be returned (vectors <= 32).
[[maybe_unused]] std::uint32_t allowed_bits(const Scan& scan, std::uint32_t v, std::uint32_t vectors) {
    const std::uint32_t all = vectors < 32 ? (1u << vectors) - 1 : ~0u;
    if (!scan.allow) return all;
    const std::size_t row = std::size_t{scan.first_row} + v;
    std::uint64_t bits;
    __builtin_memcpy(&bits, scan.allow + row / 8, sizeof bits);
    return static_cast<std::uint32_t>(bits >> (row % 8)) & all;
}

struct CodeBlock {
    std::uint32_t first;
    std::uint32_t vectors;
    std::uint32_t wanted;  // allowed_bits()
    std::size_t ahead;     // codes to fetch meanwhile are so many bytes further
};

// Calls visit(block, codes of the block) for the blocks of vectors first .. end - 1 of which any may be returned.
template <class Visit>
void for_blocks(const Scan& scan, std::uint32_t bits, std::uint32_t first, std::uint32_t end, Visit visit) noexcept {
    const std::size_t size = blocks_bytes(bits, scan.m, block_size), all = blocks_bytes(bits, scan.m, scan.n);
    for (std::uint32_t v = first; v < end; v += block_size) {
        const std::uint32_t vectors = min(block_size, end - v);
        const std::uint32_t wanted = allowed_bits(scan, v, vectors);
        if (wanted == 0) continue;
        const std::size_t at = blocks_bytes(bits, scan.m, v);
        visit(CodeBlock{v, vectors, wanted, distance_ahead(size, all - at)}, scan.codes + at);
    }
}

// A few queries at a time pass over a chunk of blocks, which stays in the L1 cache until all queries have.
// pass(queries, how many, first vector, end vector) is called with `at_once` queries, and with the rest at last.
template <std::uint32_t at_once, class Pass>
void for_chunks(const Scan& scan, std::uint32_t bits, Pass pass) noexcept {
    constexpr std::size_t chunk_bytes = 12 * 1024;
    const std::size_t block = blocks_bytes(bits, scan.m, block_size);
    const auto blocks = static_cast<std::uint32_t>(block < chunk_bytes && block > 0 ? chunk_bytes / block : 1);
    const std::uint32_t chunk = blocks * block_size;
    for (std::uint32_t v = 0; v < scan.n; v += chunk) {
        const std::uint32_t end = scan.n - v < chunk ? scan.n : v + chunk;
        for (std::uint32_t q = 0; q < scan.n_queries; q += at_once)
            pass(scan.queries + q, min(at_once, scan.n_queries - q), v, end);
    }
}

// A 16-bit number below which no sum can score the threshold (larger sums are scored to know). The float score differs
// from the real number by less than `slack`, and grows with the sum.
[[maybe_unused]] std::uint16_t min_sum(const Scan& scan, const ScanQuery& query) noexcept {
    if (scan.a != nullptr || scan.b != nullptr) return 0;
    const double threshold = query.threshold, offset = query.offset, constant = query.constant;
    const double magnitude = __builtin_fabs(threshold) + __builtin_fabs(offset) + __builtin_fabs(constant);
    if (!(magnitude < 1e37)) return 0;  // infinities, NaN, and sums that may overflow a float
    const double slack = magnitude * 0x1p-21 + 1e-40;
    const double bound = (threshold - constant - offset - slack) / query.scale - 1;
    if (!(bound > 0)) return 0;
    return bound < 65535 ? static_cast<std::uint16_t>(bound) : std::uint16_t{65535};
}

}  // namespace
}  // namespace fewbits::kernels
