// The whole SIMD interface of fewbits: one struct of functions on blocks, with one instance per instruction set.
//
// Folder scalar/ is the specification. Every other instruction set returns the same bits for the integer kernels (sums
// are exact in int32) and for the float kernels (each defines one reduction order, with fused multiply-add at every
// step). Kernels do not depend on numpy, the STL or the index. They never read or write outside the buffers they are
// given, so a buffer may end at a guard page.
//
// Layout of codes. The code of a vector is `m` elements of `w` bits (w = 4, 8, 16 or 32). A *block* is the transpose of
// up to 32 vectors: run s holds element s of each of the r vectors of the block, packed in order (two per byte for w =
// 4, the earlier vector in the low nibble). A run takes run_bytes(w, r) bytes; runs follow each other without padding.
// A list of n vectors is n / 32 full blocks and, if 32 does not divide n, one short block of n % 32 vectors. Short
// blocks have short runs, so a list is not padded (an odd r with w = 4 leaves one unused nibble per run, which is
// zero).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fewbits::kernels {

inline constexpr std::uint32_t block_size = 32;

[[gnu::always_inline]] constexpr std::size_t run_bytes(std::uint32_t element_bits, std::uint32_t vectors) {
    return (std::size_t{element_bits} * vectors + 7) / 8;
}

// Bytes that n vectors of m elements take in blocks: the size of a list.
[[gnu::always_inline]] constexpr std::size_t blocks_bytes(std::uint32_t element_bits, std::size_t m, std::size_t n) {
    return m
           * (n / block_size * run_bytes(element_bits, block_size)
              + run_bytes(element_bits, static_cast<std::uint32_t>(n % block_size)));
}

struct Hit {
    std::uint32_t row;
    float score;
};

// One query of a scan. score(v) = (acc * scale + offset) [* factor a[v]] [+ b_scale * factor b[v]] + constant, with
// every operation rounded to float separately (no fused multiply-add; an integer acc is first rounded to float). Larger
// is better. 0 < scale < inf; the other numbers may have any value, including NaN and infinities.
struct ScanQuery {
    const void* table;  // the numbers that `acc` is looked up in or multiplied with: see each scan
    float scale;
    float offset;
    float constant;   // per (query, list): the coarse score, and terms without a factor
    float threshold;  // vectors with score >= threshold are hits; -inf accepts all, but a NaN score is never a hit
    Hit* hits;        // hits are appended at hits[count]; there is room for n more
    std::size_t count;
    float b_scale = 1;  // per (query, list): weight of factor b
};

// One pass of several queries over the n vectors of a list (or of a part of a list that starts at a block boundary).
struct Scan {
    const std::uint8_t* codes;
    std::uint32_t n;
    std::uint32_t m;          // elements (runs) per block, at least 1
    std::uint32_t first_row;  // the row number of vector 0; hits carry first_row + v, in ascending order of v
    const float* a;           // n factors each, or null
    const float* b;
    const std::uint8_t* allow;  // null, or a bitmap over rows (bit first_row + v, little endian), then 8 readable bytes
    const std::uint8_t* levels;  // dot4: 16 levels, each 0..127; dot_digits: where acc is multiplied by 4
    ScanQuery* queries;
    std::uint32_t n_queries;
};

// Rows of codes (row-major), selected by number: the input of reranking, reconstruction and staged refinement.
struct Rows {
    const std::uint8_t* base;
    std::size_t stride;         // bytes from one row to the next
    const std::uint32_t* rows;  // n row numbers; null means 0..n-1
    std::uint32_t n;
    std::uint32_t dim;           // elements per row
    const std::uint8_t* levels;  // rows_dot4: 16 levels; planes: 2^bits levels; each 0..255
    const void* query;           // float: dim floats; integer: dim int16
    void* out;                   // float: n floats; integer: n int32
};

// Points (row-major floats) against blocks (w = 32) of float vectors: k-means, encoding, projection, table building.
struct Tile {
    const float* points;
    std::size_t stride;  // floats from one point to the next
    std::uint32_t n;
    std::uint32_t dim;
    const float* blocks;  // k vectors in blocks of 32 as above
    std::uint32_t k;
    const float* bias;  // k values added to the dots, or null
};

// Rows of dim floats, padded with zeros to `size`, are multiplied by signs and transformed by butterflies (a, b) ->
// (a + b, a - b) at distances first, 2 first, 4 first, ... below size (size / first is a power of two). With first = 1
// this is one Hadamard transform, otherwise `first` interleaved ones, each of every first-th number.
struct SignedHadamard {
    const float* x;
    std::size_t n;
    std::size_t stride;  // floats from one row to the next
    std::size_t dim;
    const float* signs;  // size
    std::size_t size;
    std::size_t first;
    float* out;  // n rows of size floats: x itself if dim = size, or separate from it
    std::size_t out_stride;
};

// Adds rows of floats to the sums of their buckets, in order.
struct Buckets {
    const float* x;  // n rows of dim
    std::size_t n;
    std::size_t stride;  // floats from one row to the next
    std::size_t dim;
    const std::uint32_t* bucket;  // n
    float* out;                   // sums of dim floats: that of bucket b starts at out + b * dim
};

// Fixed points against the tokens of a set: the largest product of each point with any of the tokens. Sums are modulo
// 2^16 and exact where the true ones fit 16 bits, as do those of vectors whose lengths multiply to less than 2^15.
struct MaxProducts {
    const std::int8_t* points;  // n rows of dim bytes
    std::uint32_t n;
    std::uint32_t dim;           // a multiple of 4
    const std::int16_t* bias;    // of each point: what its sums start from
    const std::uint8_t* tokens;  // 0..127, in groups of 8: dimensions 4j .. 4j + 3 of a group's token v are the four
                                 // bytes at 32 j + 4 v
    std::uint32_t groups;
    std::int16_t* out;  // n: raised to the largest sum, if that is greater
};

using ScanKernel = void (*)(const Scan&);
using RowsKernel = void (*)(const Rows&);

template <class T>
using Type = T;  // so that a function pointer can be declared like any other type

// The table of an instruction set. A null entry is one that the next narrower set does as well or better: `filled`
// borrows it.
struct Kernels {
    const char* isa;
#define FEWBITS_KERNEL(name, ...) Type<__VA_ARGS__> name;
#include "kernels/kernel_list.h"
};

// The specification. The tables of the other instruction sets are visible to dispatch.cpp only.
extern const Kernels* const scalar_kernels;

Kernels filled(Kernels table, const Kernels& narrower);

// The set selected at first use: the best that this CPU and operating system support, or the one that FEWBITS_ISA
// names. Throws fewbits::Error (invalid_argument) for an unknown or unavailable name.
const Kernels& active();

// All sets that this CPU supports, best first; the last is the scalar specification. For tests and fb.available_isas().
struct Available {
    const Kernels* const* items;
    std::size_t count;
};
Available available();

}  // namespace fewbits::kernels
