// Table scans: 4-bit codes select one of 16 bytes, 8-bit codes one of 256. With vpermb a table of four runs is one
// register, and vpdpbusd sums directly in int32; without it nibbles are looked up within lanes and summed in 16 bits.
#pragma once

#include "kernels/avx512/blocks.h"

namespace fewbits::kernels {
namespace {

// Sums of bytes in 16 bits: `both` collects whole words modulo 2^16, `odd` their upper bytes. Holds up to 257 bytes per
// lane.
struct WordSums {
    __m512i both = _mm512_setzero_si512();
    __m512i odd = _mm512_setzero_si512();

    FEWBITS_INLINE void add(__m512i bytes) {
        both = _mm512_add_epi16(both, bytes);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
    }
    FEWBITS_INLINE __m512i even() const { return _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8)); }
};

constexpr std::uint32_t runs_before_spill = 256;  // 256 * 255 < 2^16

#if defined(FEWBITS_VBMI)

// Dword p of the transposed runs holds four elements of each of the vectors 2p (low nibbles) and 2p + 1. nibble | 16 *
// run is the index into the 64 bytes of the tables of the four runs.
// small: no entry exceeds 127, so that two of them add up in a byte.
template <bool small>
struct Scan4 {
    static constexpr unsigned max_queries = 8;
    static constexpr std::uint32_t element_bits = 4;
    static constexpr Lanes lanes = Lanes::even_odd;
    std::uint32_t m;

    FEWBITS_INLINE explicit Scan4(const Scan& scan) : m(scan.m) {}

    template <unsigned N>
    FEWBITS_INLINE void accumulate(const Block& block, const std::uint8_t* const (&tables)[N],
                                   __m512i (&acc)[N][2]) const {
        const Transpose transpose(block.run);
        const std::uint8_t* codes = block.codes;
        std::uint32_t s = 0;
        if constexpr (small) {
            for (; s + 8 <= m; s += 8, codes += 8 * block.run) {
                if constexpr (N == 1) fetch<128>(codes + block.ahead);
                two_steps<N>(transpose.load(codes, 4), transpose.load(codes + 4 * block.run, 4), tables, s, acc);
            }
        }
        for (; s + 4 <= m; s += 4, codes += 4 * block.run) {
            if constexpr (N == 1) fetch<64>(codes + block.ahead);
            step<N>(transpose.load(codes, 4), acc,
                    [&](unsigned i) { return _mm512_loadu_si512(tables[i] + std::size_t{s} * 16); });
        }
        if (s < m) {
            const __mmask64 valid = first_bytes((m - s) * 16);
            step<N>(transpose.load(codes, m - s), acc,
                    [&](unsigned i) { return _mm512_maskz_loadu_epi8(valid, tables[i] + std::size_t{s} * 16); });
        }
    }

private:
    // The low nibbles of x, which are its even vectors, as indices into the tables of four runs.
    FEWBITS_INLINE static __m512i indices(__m512i x) {
        constexpr int a_and_b_or_c = 0xea;
        return _mm512_ternarylogic_epi32(x, _mm512_set1_epi8(0x0f), _mm512_set1_epi32(0x30201000), a_and_b_or_c);
    }

    template <unsigned N, class Table>
    FEWBITS_INLINE static void step(__m512i x, __m512i (&acc)[N][2], const Table& table_of) {
        const __m512i ones = _mm512_set1_epi8(1);
        const __m512i even = indices(x), odd = indices(_mm512_srli_epi16(x, 4));
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const __m512i table = table_of(i);
            acc[i][0] = add_products(acc[i][0], _mm512_permutexvar_epi8(even, table), ones);
            acc[i][1] = add_products(acc[i][1], _mm512_permutexvar_epi8(odd, table), ones);
        }
    }

    template <unsigned N>
    FEWBITS_INLINE static void two_steps(__m512i x, __m512i y, const std::uint8_t* const (&tables)[N], std::size_t s,
                                         __m512i (&acc)[N][2]) {
        const __m512i ones = _mm512_set1_epi8(1);
        const __m512i even[2] = {indices(x), indices(y)};
        const __m512i odd[2] = {indices(_mm512_srli_epi16(x, 4)), indices(_mm512_srli_epi16(y, 4))};
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const __m512i first = _mm512_loadu_si512(tables[i] + s * 16);
            const __m512i last = _mm512_loadu_si512(tables[i] + s * 16 + 64);
            acc[i][0] = add_products(acc[i][0], sum_of(even, first, last), ones);
            acc[i][1] = add_products(acc[i][1], sum_of(odd, first, last), ones);
        }
    }
    FEWBITS_INLINE static __m512i sum_of(const __m512i (&at)[2], __m512i first, __m512i last) {
        return _mm512_add_epi8(_mm512_permutexvar_epi8(at[0], first), _mm512_permutexvar_epi8(at[1], last));
    }
};

struct Scan4Pass {
    static constexpr unsigned max_queries = 8;

    template <unsigned N>
    static void pass(const Scan& scan, ScanQuery* queries) {
        if (are_small(scan, queries, N))
            IntegerScan<Scan4<true>>::template pass<N>(scan, queries);
        else
            IntegerScan<Scan4<false>>::template pass<N>(scan, queries);
    }

private:
    // Not for so few vectors that reading the tables once more takes longer. Other tables are told by their first
    // bytes.
    static bool are_small(const Scan& scan, const ScanQuery* queries, unsigned count) {
        constexpr std::size_t step = 64;
        if (scan.n < 2 * block_size) return false;
        const std::size_t size = std::size_t{scan.m} * 16;
        for (std::size_t at = 0; at < size; at += step) {
            const __mmask64 left = first_bytes(static_cast<std::uint32_t>(size - at));
            __m512i any = _mm512_setzero_si512();
            for (unsigned i = 0; i < count; ++i) {
                const auto* table = static_cast<const std::uint8_t*>(queries[i].table);
                any = _mm512_or_si512(any, _mm512_maskz_loadu_epi8(left, table + at));
            }
            if (_mm512_movepi8_mask(any) != 0) return false;
        }
        return true;
    }
};

#else

// Lane j of a register holds run s + j, and lane j of the table register holds its table.
struct Scan4 {
    static constexpr unsigned max_queries = 6;
    static constexpr std::uint32_t element_bits = 4;
    static constexpr Lanes lanes = Lanes::even_odd;
    std::uint32_t m;

    FEWBITS_INLINE explicit Scan4(const Scan& scan) : m(scan.m) {}

    template <unsigned N>
    FEWBITS_INLINE void accumulate(const Block& block, const std::uint8_t* const (&tables)[N],
                                   __m512i (&acc)[N][2]) const {
        for (std::uint32_t s = 0; s < m; s += runs_before_spill) {
            const std::uint32_t end = lesser(m, s + runs_before_spill);
            WordSums even[N], odd[N];
            std::uint32_t t = s;
            for (; t + 4 <= end; t += 4) {
                const std::uint8_t* codes = block.codes + std::size_t{t} * block.run;
                if constexpr (N == 1) fetch<64>(codes + block.ahead);
                step<N>(load_runs(codes, block.run, 4), even, odd,
                        [&](unsigned i) { return _mm512_loadu_si512(tables[i] + std::size_t{t} * 16); });
            }
            if (t < end) {
                const __mmask64 valid = first_bytes((end - t) * 16);
                step<N>(load_runs(block.codes + std::size_t{t} * block.run, block.run, end - t), even, odd,
                        [&](unsigned i) { return _mm512_maskz_loadu_epi8(valid, tables[i] + std::size_t{t} * 16); });
            }
#pragma GCC unroll 8
            for (unsigned i = 0; i < N; ++i) {
                acc[i][0] = _mm512_add_epi32(acc[i][0], over_lanes(even[i]));
                acc[i][1] = _mm512_add_epi32(acc[i][1], over_lanes(odd[i]));
            }
        }
    }

private:
    template <unsigned N, class Table>
    FEWBITS_INLINE static void step(__m512i x, WordSums (&even)[N], WordSums (&odd)[N], const Table& table_of) {
        const __m512i nibble = _mm512_set1_epi8(0x0f);
        const __m512i low = _mm512_and_si512(x, nibble);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble);
#pragma GCC unroll 8
        for (unsigned i = 0; i < N; ++i) {
            const __m512i table = table_of(i);
            even[i].add(_mm512_shuffle_epi8(table, low));
            odd[i].add(_mm512_shuffle_epi8(table, high));
        }
    }

    // Sums over the four lanes for each byte p. They fit 16 bits, as the sum over all runs of a spill does.
    FEWBITS_INLINE static __m512i over_lanes(const WordSums& sums) {
        const __m512i even = sums.even();
        const __m512i low = _mm512_unpacklo_epi16(even, sums.odd);   // bytes 0..7 of each lane
        const __m512i high = _mm512_unpackhi_epi16(even, sums.odd);  // bytes 8..15
        __m512i sum = _mm512_add_epi16(_mm512_shuffle_i32x4(low, high, 0x44), _mm512_shuffle_i32x4(low, high, 0xee));
        sum = _mm512_add_epi16(_mm512_shuffle_i32x4(sum, sum, 0x88), _mm512_shuffle_i32x4(sum, sum, 0xdd));
        return _mm512_cvtepu16_epi32(_mm512_castsi512_si256(sum));
    }
};

using Scan4Pass = IntegerScan<Scan4>;

#endif

#if defined(FEWBITS_VBMI)

// 64 codes of one run at a time, from two blocks. A table occupies four registers, and two vpermi2b and a blend look up
// the codes in it. Up to four blocks share one load of the tables.
struct Scan8 {
    static constexpr unsigned max_queries = 4;

    template <unsigned N>
    static void pass(const Scan& scan, ScanQuery* queries) {
        Block blocks[4];
        std::uint32_t count = 0;
        each_block(scan, 8, [&](const Block& block) {
            blocks[count++] = block;
            if (count == 4) {
                scan_blocks<N, 2>(scan, blocks, count, queries);
                count = 0;
            }
        });
        if (count > 2) scan_blocks<N, 2>(scan, blocks, count, queries);
        if (count == 1 || count == 2) scan_blocks<N, 1>(scan, blocks, count, queries);
    }

private:
    // Where the runs of a block lie; nothing is loaded without a block.
    struct Source {
        const std::uint8_t* at;
        std::uint32_t run;
        __mmask32 valid;

        FEWBITS_INLINE __m256i next() {
            const __m256i codes = _mm256_maskz_loadu_epi8(valid, at);
            at += run;
            return codes;
        }
    };

    template <unsigned N, unsigned W>
    static void scan_blocks(const Scan& scan, const Block* blocks, std::uint32_t count, ScanQuery* queries) {
        Source sources[2 * W];
        for (unsigned b = 0; b < 2 * W; ++b) {
            sources[b] = b < count ? Source{blocks[b].codes, blocks[b].run, first_32(blocks[b].run)}
                                   : Source{blocks[0].codes, 0, 0};
        }
        __m512i acc[N][2 * W][2];
        for (unsigned i = 0; i < N; ++i) {
            for (unsigned b = 0; b < 2 * W; ++b) acc[i][b][0] = acc[i][b][1] = _mm512_setzero_si512();
        }
        for (std::uint32_t s = 0; s < scan.m; s += runs_before_spill) {
            WordSums sums[N][W];
            sum_runs<N, W>(sources, s, lesser(scan.m, s + runs_before_spill), queries, sums);
            for (unsigned i = 0; i < N; ++i) {
                for (unsigned w = 0; w < W; ++w) {
                    add_words(acc[i][2 * w][0], acc[i][2 * w + 1][0], sums[i][w].even());
                    add_words(acc[i][2 * w][1], acc[i][2 * w + 1][1], sums[i][w].odd);
                }
            }
        }
        for (unsigned i = 0; i < N; ++i) {
            const std::int32_t bound = min_acc(queries[i]);
            for (unsigned b = 0; b < count; ++b) {
                TakeHits::take<Lanes::even_odd>(scan, blocks[b], queries[i], bound, acc[i][b]);
            }
        }
    }

    template <unsigned N, unsigned W>
    FEWBITS_INLINE static void sum_runs(Source (&sources)[2 * W], std::uint32_t s, std::uint32_t end,
                                        const ScanQuery* queries, WordSums (&sums)[N][W]) {
        for (; s < end; ++s) {
            __m512i codes[W];
            __mmask64 upper[W];
#pragma GCC unroll 8
            for (unsigned w = 0; w < W; ++w) {
                codes[w] = _mm512_castsi256_si512(sources[2 * w].next());
                codes[w] = _mm512_inserti64x4(codes[w], sources[2 * w + 1].next(), 1);
                upper[w] = _mm512_movepi8_mask(codes[w]);
            }
#pragma GCC unroll 8
            for (unsigned i = 0; i < N; ++i) {
                const std::uint8_t* table = static_cast<const std::uint8_t*>(queries[i].table) + std::size_t{s} * 256;
                const __m512i first = _mm512_loadu_si512(table), second = _mm512_loadu_si512(table + 64);
                const __m512i third = _mm512_loadu_si512(table + 128), fourth = _mm512_loadu_si512(table + 192);
#pragma GCC unroll 8
                for (unsigned w = 0; w < W; ++w) {
                    const __m512i low = _mm512_permutex2var_epi8(first, codes[w], second);
                    const __m512i high = _mm512_permutex2var_epi8(third, codes[w], fourth);
                    sums[i][w].add(_mm512_mask_blend_epi8(upper[w], low, high));
                }
            }
        }
    }

    FEWBITS_INLINE static void add_words(__m512i& first, __m512i& second, __m512i words) {
        first = _mm512_add_epi32(first, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words)));
        second = _mm512_add_epi32(second, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1)));
    }
};

void scan8(const Scan& scan) {
    in_passes<Scan8>(scan, scan.queries, scan.n_queries);
}

#endif

void scan4(const Scan& scan) {
    in_passes<Scan4Pass>(scan, scan.queries, scan.n_queries);
}

}  // namespace
}  // namespace fewbits::kernels
