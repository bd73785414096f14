// Packed dot on NEON (packed_levels.h), whose quads are in the order of the products (products.h).
#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

#include "kernels/neon/products.h"
#include "kernels/neon/runs.h"
#include "kernels/neon/score.h"
#include "kernels/packed_levels.h"

namespace fewbits::kernels {
namespace {

// One dimension of the 32 vectors of a block: of nibbles the even vectors, then the odd ones.
struct Row {
    uint8x16_t half[2];
};

[[gnu::always_inline]] inline Row operator|(const Row& a, const Row& b) noexcept {
    return {{vorrq_u8(a.half[0], b.half[0]), vorrq_u8(a.half[1], b.half[1])}};
}

// Adds the dots of whole quads to each query's sums.
template <int n_queries>
[[gnu::noinline]] void add_quads(int32x4_t (*sums)[8], const uint8x16_t* quads, const std::int8_t* const* queries,
                                 std::uint32_t n_quads) noexcept {
    int32x4_t acc[n_queries][8];
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q)
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) acc[q][k] = vdupq_n_s32(0);
    for (std::size_t i = 0; i < n_quads; ++i) {
        QuadOfQuery query[n_queries];
#pragma GCC unroll 2
        for (int q = 0; q < n_queries; ++q) query[q] = load_quad(queries[q] + 4 * i);
        add_products<n_queries>(acc, quads + 8 * i, query);
    }
#pragma GCC unroll 2
    for (int q = 0; q < n_queries; ++q)
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) sums[q][k] = vaddq_s32(sums[q][k], acc[q][k]);
}

struct Neon {
    using Row = kernels::Row;
    using Table = uint8x16_t;
    using Register = uint8x16_t;
    using Sum = int32x4_t;
    static constexpr int registers = 8;

    [[gnu::always_inline]] static Row nibbles_of(const std::uint8_t* run) noexcept {
        const uint8x16_t codes = load128(run);
        return {{vandq_u8(codes, vdupq_n_u8(15)), vshrq_n_u8(codes, 4)}};
    }
    [[gnu::always_inline]] static Row bytes_less_128(const std::uint8_t* run) noexcept {
        const uint8x16_t top = vdupq_n_u8(128);
        return {{veorq_u8(load128(run), top), veorq_u8(load128(run + 16), top)}};
    }
    [[gnu::always_inline]] static Table table_of(const std::uint8_t* sixteen) noexcept { return load128(sixteen); }
    [[gnu::always_inline]] static Row look_up(Table table, const Row& nibbles) noexcept {
        return {{vqtbl1q_u8(table, nibbles.half[0]), vqtbl1q_u8(table, nibbles.half[1])}};
    }
    [[gnu::always_inline]] static void interleave(const Row* rows, Register* quad) noexcept {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
            const uint8x16_t half[4] = {rows[0].half[h], rows[1].half[h], rows[2].half[h], rows[3].half[h]};
            kernels::interleave(half, quad + 4 * h);
        }
    }
    template <int n_queries, bool>
    static void add_quads(Sum (*sums)[8], const Register* quads, const std::int8_t* const* queries,
                          std::uint32_t n_quads) noexcept {
        kernels::add_quads<n_queries>(sums, quads, queries, n_quads);
    }
    [[gnu::always_inline]] static Sum all(std::int32_t number) noexcept { return vdupq_n_s32(number); }
    [[gnu::always_inline]] static void multiply_by_4(Sum* sums) noexcept {
        for (int k = 0; k < 8; ++k) sums[k] = vshlq_n_s32(sums[k], 2);
    }
    static Sums nibbles_in_order(const Sum* sums) noexcept {
        Sums out;
        for (int g = 0; g < 4; ++g) {
            out.four[2 * g] = vzip1q_s32(sums[g], sums[4 + g]);
            out.four[2 * g + 1] = vzip2q_s32(sums[g], sums[4 + g]);
        }
        return out;
    }
    static Sums bytes_in_order(const Sum* sums) noexcept {
        Sums out;
        for (int g = 0; g < 8; ++g) out.four[g] = sums[g];
        return out;
    }
};

struct RaiseThresholds {
    RaiseThresholds() noexcept {
        for (float32x4_t& one : top) one = vdupq_n_f32(-__builtin_inff());
    }

    void take(const Scan& scan, const ScanQuery& query, std::uint32_t q, const CodeBlock& block,
              const Sums& sums) noexcept {
        float32x4_t acc[8];
        to_floats(sums, acc);
        top[q] = top_of_block(top[q], scan, query, block, acc);
    }
    void finish(ScanQuery* queries, std::uint32_t n_queries) const noexcept {
        for (std::uint32_t q = 0; q < n_queries; ++q) raise_to(queries[q], top[q]);
    }

    float32x4_t top[queries_per_decode];
};

void dot4(const Scan& scan) noexcept {
    packed_dot<NibbleLevels<Neon>, TakeHits>(scan);
}
template <std::uint32_t bits>
void dot_of_bits(const Scan& scan) noexcept {
    packed_dot<BitLevels<Neon, bits>, TakeHits>(scan);
}
void dot_digits(const Scan& scan) noexcept {
    packed_dot<DigitLevels<Neon>, TakeHits>(scan);
}
void dot8(const Scan& scan) noexcept {
    packed_dot<BytesLess128<Neon>, TakeHits>(scan);
}
void max_dot4(const Scan& scan) noexcept {
    packed_dot<NibbleLevels<Neon>, RaiseThresholds>(scan);
}
void max_dot8(const Scan& scan) noexcept {
    packed_dot<BytesLess128<Neon>, RaiseThresholds>(scan);
}

}  // namespace
}  // namespace fewbits::kernels
