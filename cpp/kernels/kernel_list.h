// Every kernel: FEWBITS_KERNEL(name, type). struct Kernels and the table of every instruction set are generated from
// this list, so it has no include guard. acc is the sum that a scan computes, see ScanQuery.

// --- table scans: acc = sum over s of table[s][code_s], exact in int32 ---
FEWBITS_KERNEL(scan4, ScanKernel)  // w = 4; table: m x 16 bytes
FEWBITS_KERNEL(scan8, ScanKernel)  // w = 8; table: m x 256 bytes

// --- packed dot: acc = sum over j of query[j] * level(code_j), exact in int32; table: int8 query in -127..127 ---
// dot4: w = 4, one dimension per nibble. dot8: w = 8, and the level is the byte itself, 0..255.
// dot_bits[b], b = 1..7 (0 is null): w = 4, and the level is the code itself, 0..2^b - 1. b runs hold a quad of four
// dimensions, so m is a multiple of b and the query has m / b * 4 entries: if b >= 4, four runs with the high 4 bits of
// one dimension each; then, if b has bit 2 set, two runs with the next 2 bits of two dimensions each; then, if b is
// odd, one run with the low bits of all four. Within a nibble the earlier dimension has the lower bits.
// dot_digits: w = 4, and a code is made up of digits of 2 bits, high ones first. Two runs hold a digit of a quad, as
// dot_bits[2], so m is even and the query has 2 m entries, four for each digit of each quad. levels: m / 2 bytes; where
// byte i is not 0, acc is multiplied by 4 before digit i of all quads is added.
FEWBITS_KERNEL(dot4, ScanKernel)
FEWBITS_KERNEL(dot8, ScanKernel)
FEWBITS_KERNEL(dot_bits, const ScanKernel*)
FEWBITS_KERNEL(dot_digits, ScanKernel)

// --- float scans; table: m floats; acc = sum over dimensions in ascending order, fused ---
FEWBITS_KERNEL(dot_f32, ScanKernel)  // w = 32
FEWBITS_KERNEL(dot_f16, ScanKernel)  // w = 16
FEWBITS_KERNEL(l2_f32, ScanKernel)   // acc = -sum (q - x)^2
FEWBITS_KERNEL(l2_f16, ScanKernel)

// --- maxima: the scores of dot4, ..., without hits ---
// The threshold of each query is raised to its best score, if that is greater (never to a NaN). constant is not -0.
// Fastest if the positive entries of a query in dimensions 8i + {0, 1, 4, 5}, and in 8i + {2, 3, 6, 7}, sum to at most
// 258 for max_dot4 and 128 for max_dot8, and the negative ones to at least minus that: products are then summed in 16
// bits.
FEWBITS_KERNEL(max_dot4, ScanKernel)
FEWBITS_KERNEL(max_dot8, ScanKernel)
FEWBITS_KERNEL(max_dot_f32, ScanKernel)
FEWBITS_KERNEL(max_dot_f16, ScanKernel)

FEWBITS_KERNEL(max_products, void (*)(const MaxProducts&))  // see MaxProducts; exact modulo 2^16

// --- float rows: 16 lanes (dimension mod 16) of fused sums, then halves: 8, 4, 2, 1 ---
// As if query and row were padded with zeros to a multiple of 16 dimensions.
FEWBITS_KERNEL(rows_dot_f32, RowsKernel)
FEWBITS_KERNEL(rows_dot_f16, RowsKernel)
FEWBITS_KERNEL(rows_l2_f32, RowsKernel)  // +sum (q - x)^2
FEWBITS_KERNEL(rows_l2_f16, RowsKernel)

// --- integer rows: exact modulo 2^32; |query| <= 2047 ---
// No row wraps if sum |query| * 255 < 2^31; for long queries the caller ensures this.
FEWBITS_KERNEL(rows_dot4, RowsKernel)  // nibbles, low first; 16 levels
FEWBITS_KERNEL(rows_dot8, RowsKernel)  // level = byte
// Bit planes, high first, (dim + 7) / 8 bytes each: dimension j is bit j % 8 of byte j / 8. The high plane of a row is
// row i of `high` (i counts the *listed* rows); the other bits - 1 planes are row rows[i] of base. Level =
// levels[code], bits in 2..8.
FEWBITS_KERNEL(rows_planes,
               void (*)(const Rows&, const std::uint8_t* high, std::size_t high_stride, std::uint32_t bits))
// The m nibbles of vector v of a block of `vectors` (w = 4), packed low first, into (m + 1) / 2 bytes.
FEWBITS_KERNEL(extract4, void (*)(const std::uint8_t* block, std::uint32_t vectors, std::uint32_t m, std::uint32_t v,
                                  std::uint8_t* out))

// --- tiles: dot product in ascending order of dimensions, fused; bias added last ---
// out[i * out_stride + c]
FEWBITS_KERNEL(tile_dot, void (*)(const Tile&, float* out, std::size_t out_stride))
// The largest dot + bias; ties go to the first. A value replaces (0, -inf) or the best so far only if greater: a NaN
// never does.
FEWBITS_KERNEL(tile_best, void (*)(const Tile&, std::uint32_t* best, float* score))

// --- elementwise ---
FEWBITS_KERNEL(add_to_buckets, void (*)(const Buckets&))     // out = out + x, one row after the other
FEWBITS_KERNEL(hadamard, void (*)(float* x, std::size_t n))  // in place, n a power of two, not scaled
FEWBITS_KERNEL(signed_hadamard, void (*)(const SignedHadamard&))
// To nearest, ties to even. A NaN becomes quiet and keeps the high bits of its payload, in both directions.
FEWBITS_KERNEL(f32_to_f16, void (*)(const float* x, std::size_t n, std::uint16_t* out))
FEWBITS_KERNEL(f16_to_f32, void (*)(const std::uint16_t* x, std::size_t n, float* out))
// nearest-even(clamp(x * scale, low, high)) - low, as a byte. low and high are integers at most 255 apart; a NaN is
// treated as low.
FEWBITS_KERNEL(encode_uniform,
               void (*)(const float* x, std::size_t n, float scale, float low, float high, std::uint8_t* out))
// The number of ascending edges that are <= x; n_edges <= 15.
FEWBITS_KERNEL(encode_levels,
               void (*)(const float* x, std::size_t n, const float* edges, std::uint32_t n_edges, std::uint8_t* out))

#undef FEWBITS_KERNEL
