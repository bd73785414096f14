// Packed dot scans: 4 dimensions of 16 vectors, as unsigned bytes in dwords, times 4 bytes of the query, broadcast.
// Codes are expanded to levels once for all queries of a pass; each query then costs two vpdpbusd. The kernels differ
// only in the expansion.
#pragma once

#include "kernels/avx512/blocks.h"

namespace fewbits::kernels {
namespace {

// Up to 4 bytes of a query, followed by zeros.
FEWBITS_INLINE __m512i broadcast_entries(const std::uint8_t* at, std::uint32_t count) {
    std::int32_t entries = 0;
    if (count >= 4) {
        __builtin_memcpy(&entries, at, 4);
    } else {
        __builtin_memcpy(&entries, at, count);
    }
    return _mm512_set1_epi32(entries);
}

FEWBITS_INLINE void multiply_by_4(__m512i (&acc)[2]) {
    for (__m512i& half : acc) half = _mm512_slli_epi32(half, 2);
}

// digits: quads are digits of codes, and the scan's levels say where those before are multiplied by 4.
template <class Expand, bool digits = false>
class PackedDot {
public:
    static constexpr unsigned max_queries = 8;
    static constexpr std::uint32_t element_bits = Expand::element_bits;
    static constexpr Lanes lanes = Expand::lanes;

    FEWBITS_INLINE explicit PackedDot(const Scan& scan) : m_(scan.m), shifts_(scan.levels), expand_(scan.levels) {}

    template <unsigned N>
    FEWBITS_INLINE void accumulate(const Block& block, const std::uint8_t* const (&queries)[N],
                                   __m512i (&acc)[N][2]) const {
        constexpr std::uint32_t runs = Expand::runs;
        const Transpose transpose(block.run);
        const std::uint8_t* codes = block.codes;
        std::size_t at = 0;  // each step takes 4 entries of the query
        std::uint32_t left = m_;
        for (; left >= runs; left -= runs, at += 4, codes += runs * block.run) {
            if constexpr (N == 1 && runs > 1) fetch<run_bytes(element_bits, block_size) * runs>(codes + block.ahead);
            if constexpr (digits) {
                if (shifts_[at / 4] != 0) {
#pragma GCC unroll 8
                    for (unsigned i = 0; i < N; ++i) multiply_by_4(acc[i]);
                }
            }
            step<N>(block, transpose, codes, runs, queries, at, 4, acc);
        }
        if constexpr (runs == 4) {
            if (left > 0) step<N>(block, transpose, codes, left, queries, at, left, acc);
        }
    }

private:
    template <unsigned N>
    FEWBITS_INLINE void step(const Block& block, const Transpose& transpose, const std::uint8_t* codes,
                             std::uint32_t count, const std::uint8_t* const (&queries)[N], std::size_t at,
                             std::uint32_t entries, __m512i (&acc)[N][2]) const {
        __m512i levels[2];
        expand_(codes, block.run, count, transpose, levels);
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const __m512i query = broadcast_entries(queries[i] + at, entries);
            for (unsigned half = 0; half < 2; ++half) {
                if constexpr (Expand::element_bits == 8) {
                    acc[i][half] = add_wide_products(acc[i][half], levels[half], query);
                } else {
                    acc[i][half] = add_products(acc[i][half], levels[half], query);
                }
            }
        }
    }

    std::uint32_t m_;
    const std::uint8_t* shifts_;
    Expand expand_;
};

// One run holds 4 dimensions: a nibble selects the dword of its 4 levels.
struct Expand1 {
    __m512i dwords;

    FEWBITS_INLINE explicit Expand1(const std::uint8_t* levels) {
        alignas(64) std::uint8_t table[64];
        for (unsigned i = 0; i < 64; ++i) table[i] = levels[(i / 4) >> (i % 4) & 1];
        dwords = _mm512_load_si512(table);
    }
    FEWBITS_INLINE void operator()(const std::uint8_t* at, std::uint32_t run, __m512i (&out)[2]) const {
        const __m512i x = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first_16(run), at));
        out[0] = _mm512_permutexvar_epi32(x, dwords);  // uses the low 4 bits
        out[1] = _mm512_permutexvar_epi32(_mm512_srli_epi32(x, 4), dwords);
    }
};

// Two runs hold 4 dimensions: each nibble selects the word of its 2 levels.
struct Expand2 {
    __m512i words;  // the 16 words twice, as vpermw uses 5 bits

    FEWBITS_INLINE explicit Expand2(const std::uint8_t* levels) {
        alignas(64) std::uint8_t table[64];
        for (unsigned i = 0; i < 64; ++i) table[i] = levels[(i / 2 % 16) >> (i % 2 * 2) & 3];
        words = _mm512_load_si512(table);
    }
    FEWBITS_INLINE void operator()(const std::uint8_t* at, std::uint32_t run, __m512i (&out)[2]) const {
        const __mmask16 bytes = first_16(run);
        const __m512i first = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(bytes, at));
        const __m512i last = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(bytes, at + run));
        const __m512i x = _mm512_or_si512(first, _mm512_slli_epi32(last, 16));
        out[0] = _mm512_permutexvar_epi16(x, words);
        out[1] = _mm512_permutexvar_epi16(_mm512_srli_epi32(x, 4), words);
    }
};

struct Expand4 {
    static constexpr std::uint32_t element_bits = 4, runs = 4;
    static constexpr Lanes lanes = Lanes::even_odd;
    __m512i table;

    FEWBITS_INLINE explicit Expand4(const std::uint8_t* levels)
        : table(broadcast_16_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(levels)))) {}
    FEWBITS_INLINE void operator()(const std::uint8_t* at, std::uint32_t, std::uint32_t count,
                                   const Transpose& transpose, __m512i (&out)[2]) const {
        const __m512i x = transpose.load(at, count);
        out[0] = look_up_16(table, x);
        out[1] = look_up_16(table, _mm512_srli_epi16(x, 4));
    }
};

// dot_bits: fields of 4, 2 and 1 bits; each is looked up in a table of its contributions to the level.
template <std::uint32_t bits>
struct ExpandBits {
    static constexpr std::uint32_t element_bits = 4, runs = bits;
    static constexpr Lanes lanes = Lanes::even_odd;

    FEWBITS_INLINE explicit ExpandBits(const std::uint8_t*)
        : four(Multiples(bits & 3).of), two(Multiples(bits & 1).of), one(Multiples(0).of) {}

    FEWBITS_INLINE void operator()(const std::uint8_t* at, std::uint32_t run, std::uint32_t, const Transpose& transpose,
                                   __m512i (&out)[2]) const {
        out[0] = out[1] = _mm512_setzero_si512();
        if constexpr ((bits & 4) != 0) four(at, run, 4, transpose, out);
        if constexpr ((bits & 2) != 0) add(two, at + (bits & 4) * run, run, out);
        if constexpr ((bits & 1) != 0) add(one, at + (bits & 6) * run, run, out);
    }

private:
    struct Multiples {
        std::uint8_t of[16];
        explicit Multiples(std::uint32_t shift) {
            for (std::uint32_t i = 0; i < 16; ++i) of[i] = static_cast<std::uint8_t>(i << shift);
        }
    };

    template <class Expand>
    FEWBITS_INLINE static void add(const Expand& expand, const std::uint8_t* at, std::uint32_t run, __m512i (&out)[2]) {
        __m512i more[2];
        expand(at, run, more);
        for (int half = 0; half < 2; ++half) out[half] = _mm512_or_si512(out[half], more[half]);
    }

    Expand4 four;
    Expand2 two;
    Expand1 one;
};

// The byte is the level. Four runs of 32 bytes are first arranged in lanes, like two groups of runs of 16 bytes.
struct Expand8 {
    static constexpr std::uint32_t element_bits = 8, runs = 4;
    static constexpr Lanes lanes = Lanes::halves;

    FEWBITS_INLINE explicit Expand8(const std::uint8_t*) {}
    FEWBITS_INLINE void operator()(const std::uint8_t* at, std::uint32_t run, std::uint32_t count, const Transpose&,
                                   __m512i (&out)[2]) const {
        const Transpose lanes_to_dwords(16);
        __m512i low, high;
        if (run == block_size && count == 4) {
            const __m512i first = _mm512_loadu_si512(at), last = _mm512_loadu_si512(at + 64);
            low = _mm512_shuffle_i32x4(first, last, 0x88);   // lanes 0 2 0 2
            high = _mm512_shuffle_i32x4(first, last, 0xdd);  // lanes 1 3 1 3
        } else {
            low = load_lanes(at, run, run, count);
            high = run > 16 ? load_lanes(at + 16, run, run - 16, count) : _mm512_setzero_si512();
        }
        out[0] = lanes_to_dwords(low);
        out[1] = lanes_to_dwords(high);
    }
};

template <class Expand>
void packed_dot(const Scan& scan) {
    in_passes<IntegerScan<PackedDot<Expand>>>(scan, scan.queries, scan.n_queries);
}

template <class Expand>
void max_dot(const Scan& scan) {
    in_passes<IntegerScan<PackedDot<Expand>, RaiseThreshold>>(scan, scan.queries, scan.n_queries);
}

template <std::uint32_t bits>
void dot_of_bits(const Scan& scan) {
    packed_dot<ExpandBits<bits>>(scan);
}

void dot_digits(const Scan& scan) {
    in_passes<IntegerScan<PackedDot<ExpandBits<2>, true>>>(scan, scan.queries, scan.n_queries);
}

constexpr ScanKernel dot4 = packed_dot<Expand4>, dot8 = packed_dot<Expand8>;
constexpr ScanKernel max_dot4 = max_dot<Expand4>, max_dot8 = max_dot<Expand8>;

}  // namespace
}  // namespace fewbits::kernels
