// The whole SIMD surface of fewbits: one struct of block-shaped functions, one instance of it per instruction set.
//
// scalar.cpp is the specification. Every other instruction set returns the same bits for the integer kernels (sums are
// exact in int32) and for the float kernels (each states one reduction order, with fused multiply-add at every step).
// Kernels know no numpy, no STL and no index; they never read or write outside the buffers they are given, so a buffer
// may end at a guard page.
//
// Layout of codes. A vector's code is `m` elements of `w` bits (w = 4, 8, 16 or 32). A *block* is the transpose of up
// to 32 vectors: run s holds element s of each of the block's r vectors, packed in order (two a byte for w = 4, the
// earlier vector in the low nibble). A run takes run_bytes(w, r) bytes; runs follow each other without padding. A list
// of n vectors is n / 32 full blocks and, if 32 does not divide n, one short block of n % 32 vectors: short blocks have
// short runs, so a list carries no padding (an odd r with w = 4 leaves one unused nibble a run, which is zero).
#pragma once

#include <cstddef>
#include <cstdint>

namespace fewbits::kernels {

inline constexpr std::uint32_t block_size = 32;

[[gnu::always_inline]] constexpr std::size_t run_bytes(std::uint32_t element_bits, std::uint32_t vectors) {
    return (std::size_t{element_bits} * vectors + 7) / 8;
}

// Bytes of n vectors of m elements in blocks: what a list occupies.
[[gnu::always_inline]] constexpr std::size_t blocks_bytes(std::uint32_t element_bits, std::size_t m, std::size_t n) {
    return m
           * (n / block_size * run_bytes(element_bits, block_size)
              + run_bytes(element_bits, static_cast<std::uint32_t>(n % block_size)));
}

struct Hit {
    std::uint32_t row;
    float score;
};

// One query's side of a scan. score(v) = (acc * scale + offset) [* factor a[v]] [+ b_scale * factor b[v]] + constant,
// every operation rounded to float by itself (no fused multiply-add; an integer acc is first rounded to float), larger
// is better. 0 < scale < inf; the other numbers may be anything, NaN and infinities too.
struct ScanQuery {
    const void* table;  // what `acc` is looked up in or multiplied with: see each scan
    float scale;
    float offset;
    float constant;   // per (query, list): the coarse score, and terms that no factor multiplies
    float threshold;  // vectors with score >= threshold are hits; -inf takes all, but a NaN score is never a hit
    Hit* hits;        // hits are appended at hits[count]; there is room for n more
    std::size_t count;
    float b_scale = 1;  // per (query, list): what factor b counts
};

// One pass of several queries over the n vectors of a list (or of a part of it that starts at a block boundary).
struct Scan {
    const std::uint8_t* codes;
    std::uint32_t n;
    std::uint32_t m;          // elements (runs) a block, at least 1
    std::uint32_t first_row;  // the row number of vector 0; hits carry first_row + v, in ascending order of v
    const float* a;           // n factors each, or null
    const float* b;
    const std::uint8_t*
        allow;  // null, or a bitmap over rows (bit first_row + v, little endian); 8 readable bytes follow it
    const std::uint8_t* levels;  // packed dot below 8 bits: 2, 4 or 16 levels, each 0..127
    ScanQuery* queries;
    std::uint32_t n_queries;
};

// Rows of codes (row-major), picked by number: what rerank, reconstruction and staged refinement read.
struct Rows {
    const std::uint8_t* base;
    std::size_t stride;         // bytes from one row to the next
    const std::uint32_t* rows;  // n row numbers; null means 0..n-1
    std::uint32_t n;
    std::uint32_t dim;           // elements a row
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

// Rows of dim floats, padded with zeros to `size`, times signs, then butterflies (a, b) -> (a + b, a - b) at distances
// first, 2 first, 4 first, ... below size (size / first is a power of two): of first = 1 a Hadamard transform, else as
// many as `first`, of every first-th number each.
struct SignedHadamard {
    const float* x;
    std::size_t n;
    std::size_t stride;  // floats from one row to the next
    std::size_t dim;
    const float* signs;  // size
    std::size_t size;
    std::size_t first;
    float* out;  // n rows of size: x, if dim = size, or apart from it
    std::size_t out_stride;
};

// Rows of floats added to the sums of their buckets, in order.
struct Buckets {
    const float* x;  // n rows of dim
    std::size_t n;
    std::size_t stride;  // floats from one row to the next
    std::size_t dim;
    const std::uint32_t* bucket;  // n
    float* out;                   // sums of dim: bucket b's start at out + b * dim
};

struct Kernels {
    const char* isa;

    // --- table scans: acc = sum over s of table[s][code_s], exact in int32 ------------------------------------
    void (*scan4)(const Scan&);  // w = 4; table: m x 16 bytes
    void (*scan8)(const Scan&);  // w = 8; table: m x 256 bytes

    // --- packed dot: acc = sum over j of query[j] * level(code_j), exact in int32; table: int8 query in -127..127 ---
    // dot4: w = 4, one dimension a nibble. dot8: w = 8 and the level is the byte itself, 0..255.
    // dot_bits[b], b = 1..7 (0 is null): w = 4 and the level is the code itself, 0..2^b - 1. b runs hold a quad, four
    // dimensions, so m is a multiple of b and the query has m / b * 4 entries: if b >= 4, four runs of a dimension's
    // high 4 bits; then, if b has the 2, two runs of two dimensions' next 2 bits; then, if b is odd, a run of the low
    // bits of all four. In a nibble the earlier dimension has the lower bits.
    void (*dot4)(const Scan&);
    void (*dot8)(const Scan&);
    void (*dot_bits[8])(const Scan&);

    // --- float scans; table: m floats; acc = sum over dimensions in ascending order, fused ----------------------
    void (*dot_f32)(const Scan&);  // w = 32
    void (*dot_f16)(const Scan&);  // w = 16
    void (*l2_f32)(const Scan&);   // acc = -sum (q - x)^2
    void (*l2_f16)(const Scan&);

    // --- maxima: the scores of dot4, ..., but no hits: each query's threshold rises to its best score, if that is
    // ----- greater (a NaN never is). constant is not -0. Fastest where the positive entries of a query in dimensions
    // ----- 8i + {0, 1, 4, 5}, and in 8i + {2, 3, 6, 7}, sum to at most 258 for max_dot4 and 128 for max_dot8, and the
    // ----- negative ones to no less than minus that: then products are summed in 16 bits.
    void (*max_dot4)(const Scan&);
    void (*max_dot8)(const Scan&);
    void (*max_dot_f32)(const Scan&);
    void (*max_dot_f16)(const Scan&);

    // --- rows: float results in one order: 16 lanes (dimension mod 16) of fused sums, then halves: 8, 4, 2, 1 ----
    // As if query and row were padded with zeros to a multiple of 16 dimensions.
    void (*rows_dot_f32)(const Rows&);
    void (*rows_dot_f16)(const Rows&);
    void (*rows_l2_f32)(const Rows&);  // +sum (q - x)^2
    void (*rows_l2_f16)(const Rows&);
    void (*rows_dot4)(const Rows&);  // exact int32; nibbles low first, 16 levels; |query| <= 2047
    void (*rows_dot8)(const Rows&);  // exact int32; level = byte; |query| <= 2047
    // Integer rows wrap modulo 2^32; no row does while sum |query| * 255 < 2^31, so the caller bounds it in long
    // queries. Bit planes, high first, each (dim + 7) / 8 bytes: dimension j is bit j % 8 of byte j / 8. A row's high
    // plane is row i of `high` (i counts the *listed* rows), its bits - 1 further planes are row rows[i] of base. Level
    // = levels[code], bits in 2..8, exact int32.
    void (*rows_planes)(const Rows&, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits);

    // --- tiles: dot in ascending order of dimensions, fused, bias added last -------------------------------------
    void (*tile_dot)(const Tile&, float* out, std::size_t out_stride);  // out[i * out_stride + c]
    void (*tile_best)(
        const Tile&, std::uint32_t* best,
        float* score);  // largest dot + bias, first on ties
                        // a value replaces (0, -inf) or the best so far only if greater, so a NaN never does
    // --- elementwise ---------------------------------------------------------------------------------------------
    void (*add_to_buckets)(const Buckets&);     // out = out + x, one row after the other
    void (*hadamard)(float* x, std::size_t n);  // in place, n a power of two, not scaled
    void (*signed_hadamard)(const SignedHadamard&);
    void (*f32_to_f16)(const float* x, std::size_t n,
                       std::uint16_t* out);  // to nearest, ties to even; a NaN becomes
                                             // quiet and keeps the high bits of its payload, in both directions
    void (*f16_to_f32)(const std::uint16_t* x, std::size_t n, float* out);
    void (*encode_uniform)(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out);
    // nearest-even(clamp(x * scale, low, high)) - low, as a byte; low and high integers
    // at most 255 apart; a NaN counts as low
    void (*encode_levels)(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out);
    // how many of the ascending edges are <= x; n_edges <= 15
    // Vector v of a block of `vectors` (w = 4): its m nibbles, packed low first, into (m + 1) / 2 bytes.
    void (*extract4)(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
                     std::uint8_t* out);
};

// The specification. The other instruction sets' tables are known to dispatch.cpp alone.
extern const Kernels* const scalar_kernels;

// The set chosen at first use: the best that this CPU and operating system run, or the one FEWBITS_ISA names.
// Throws fewbits::Error (invalid_argument) for an unknown or unavailable name.
const Kernels& active();

// Everything this CPU can run, best first; ends with the scalar specification. For tests and fb.available_isas().
struct Available {
    const Kernels* const* items;
    std::size_t count;
};
Available available();

}  // namespace fewbits::kernels
