// AVX-512 on any CPU: SIMDe, and the few intrinsics that version 0.7.4 lacks or rounds differently, lane by lane.
// Included only by kernels/avx512/intrinsics.h under FEWBITS_EMULATE; must precede any <immintrin.h>. Masked loads and
// stores access only the lanes of their mask, as the instructions do, so that tests with guard pages are meaningful.
#pragma once

#define SIMDE_NO_INLINE  // otherwise a file takes minutes to compile
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#pragma GCC diagnostic ignored "-Wignored-attributes"  // for vector types as template arguments

namespace emulate {

template <class T, class V>
struct Lanes {
    static constexpr unsigned count = sizeof(V) / sizeof(T);
    T at[count];

    Lanes() : at{} {}
    explicit Lanes(V v) { std::memcpy(at, &v, sizeof v); }
    V whole() const {
        V v;
        std::memcpy(&v, at, sizeof v);
        return v;
    }
};

template <class T, class V, class Mask>
V masked_load(Mask mask, const void* from) {
    Lanes<T, V> lanes;
    for (unsigned i = 0; i < lanes.count; ++i) {
        if (mask >> i & 1) std::memcpy(lanes.at + i, static_cast<const T*>(from) + i, sizeof(T));
    }
    return lanes.whole();
}

template <class T, class V, class Mask>
void masked_store(void* to, Mask mask, V v) {
    const Lanes<T, V> lanes(v);
    for (unsigned i = 0; i < lanes.count; ++i) {
        if (mask >> i & 1) std::memcpy(static_cast<T*>(to) + i, lanes.at + i, sizeof(T));
    }
}

// Lane by lane from one width to another, by `convert`.
template <class To, class ToVector, class From, class FromVector, class Convert>
ToVector converted(FromVector v, const Convert& convert) {
    const Lanes<From, FromVector> from(v);
    Lanes<To, ToVector> to;
    static_assert(from.count == to.count);
    for (unsigned i = 0; i < to.count; ++i) to.at[i] = convert(from.at[i]);
    return to.whole();
}

template <class To, class ToVector, class From, class FromVector>
ToVector cast(FromVector v) {
    return converted<To, ToVector, From>(v, [](From x) { return static_cast<To>(x); });
}

inline simde__m512 fused(simde__m512 a, simde__m512 b, simde__m512 c, float sign) {
    const Lanes<float, simde__m512> x(a), y(b), z(c);
    Lanes<float, simde__m512> out;
    for (unsigned i = 0; i < 16; ++i) out.at[i] = std::fma(sign * x.at[i], y.at[i], z.at[i]);
    return out.whole();
}

inline simde__m512 permute_in_lanes(simde__m512 v, unsigned order) {
    const Lanes<float, simde__m512> from(v);
    Lanes<float, simde__m512> to;
    for (unsigned i = 0; i < 16; ++i) to.at[i] = from.at[i / 4 * 4 + (order >> (i % 4 * 2) & 3)];
    return to.whole();
}

inline simde__m256 upper_half(simde__m512 v) {
    simde__m256 half;
    std::memcpy(&half, reinterpret_cast<const char*>(&v) + sizeof half, sizeof half);
    return half;
}

template <class T, class V, class Combine>
T reduced(V v, const Combine& combine) {
    const Lanes<T, V> lanes(v);
    T all = lanes.at[0];
    for (unsigned i = 1; i < lanes.count; ++i) all = combine(all, lanes.at[i]);
    return all;
}

inline simde__m512i gather(simde__m512i offsets, const void* base) {
    return converted<std::int32_t, simde__m512i, std::int32_t>(offsets, [base](std::int32_t offset) {
        std::int32_t x;
        std::memcpy(&x, static_cast<const char*>(base) + offset, sizeof x);
        return x;
    });
}

}  // namespace emulate

using __mmask16 = simde__mmask16;
using __mmask32 = simde__mmask32;
using __mmask64 = simde__mmask64;

#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)

#undef _mm_maskz_loadu_epi8
#undef _mm_maskz_loadu_ps
#undef _mm256_maskz_loadu_epi8
#undef _mm256_maskz_loadu_epi16
#undef _mm512_maskz_loadu_epi8
#undef _mm512_maskz_loadu_epi16
#undef _mm512_maskz_loadu_ps
#define _mm_maskz_loadu_epi8(k, p) emulate::masked_load<std::int8_t, simde__m128i>(k, p)
#define _mm_maskz_loadu_ps(k, p) emulate::masked_load<float, simde__m128>(k, p)
#define _mm256_maskz_loadu_epi8(k, p) emulate::masked_load<std::int8_t, simde__m256i>(k, p)
#define _mm256_maskz_loadu_epi16(k, p) emulate::masked_load<std::int16_t, simde__m256i>(k, p)
#define _mm512_maskz_loadu_epi8(k, p) emulate::masked_load<std::int8_t, simde__m512i>(k, p)
#define _mm512_maskz_loadu_epi16(k, p) emulate::masked_load<std::int16_t, simde__m512i>(k, p)
#define _mm512_maskz_loadu_ps(k, p) emulate::masked_load<float, simde__m512>(k, p)

#undef _mm_mask_storeu_epi8
#undef _mm256_mask_storeu_epi16
#undef _mm512_mask_storeu_ps
#define _mm_mask_storeu_epi8(p, k, v) emulate::masked_store<std::int8_t>(p, k, v)
#define _mm256_mask_storeu_epi16(p, k, v) emulate::masked_store<std::int16_t>(p, k, v)
#define _mm512_mask_storeu_ps(p, k, v) emulate::masked_store<float>(p, k, v)

#undef _mm512_cvtepi32_epi8
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtepu8_epi16
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtps_epi32
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#define _mm512_cvtepi32_epi8(v) emulate::cast<std::int8_t, simde__m128i, std::int32_t>(v)
#define _mm512_cvtepi32_ps(v) emulate::cast<float, simde__m512, std::int32_t>(v)
#define _mm512_cvtepu8_epi16(v) emulate::cast<std::int16_t, simde__m512i, std::uint8_t>(v)
#define _mm512_cvtepu8_epi32(v) emulate::cast<std::int32_t, simde__m512i, std::uint8_t>(v)
#define _mm512_cvtepu16_epi32(v) emulate::cast<std::int32_t, simde__m512i, std::uint16_t>(v)
#define _mm512_cvtps_epi32(v)                              \
    emulate::converted<std::int32_t, simde__m512i, float>( \
        v, [](float lane) { return static_cast<std::int32_t>(std::nearbyint(lane)); })
#define _mm512_cvtph_ps(v)                                 \
    emulate::converted<float, simde__m512, std::uint16_t>( \
        v, [](std::uint16_t lane) { return static_cast<float>(std::bit_cast<_Float16>(lane)); })
#define _mm512_cvtps_ph(v, rounding)                        \
    emulate::converted<std::uint16_t, simde__m256i, float>( \
        v, [](float lane) { return std::bit_cast<std::uint16_t>(static_cast<_Float16>(lane)); })

#undef _mm512_fmadd_ps
#undef _mm512_fnmadd_ps
#undef _mm512_permute_ps
#undef _mm512_shuffle_f32x4
#undef _mm512_extractf32x8_ps
#undef _mm512_mask_cmp_ps_mask
#undef _mm512_i32gather_epi32
#undef _mm512_reduce_add_epi32
#undef _mm512_reduce_max_ps
#define _mm512_fmadd_ps(a, b, c) emulate::fused(a, b, c, 1)
#define _mm512_fnmadd_ps(a, b, c) emulate::fused(a, b, c, -1)
#define _mm512_permute_ps(v, order) emulate::permute_in_lanes(v, order)
#define _mm512_shuffle_f32x4(a, b, order) \
    simde_mm512_castsi512_ps(simde_mm512_shuffle_i32x4(simde_mm512_castps_si512(a), simde_mm512_castps_si512(b), order))
#define _mm512_extractf32x8_ps(v, half) emulate::upper_half(v)
#define _mm512_mask_cmp_ps_mask(k, a, b, how) static_cast<simde__mmask16>((k) & simde_mm512_cmp_ps_mask(a, b, how))
#define _mm512_i32gather_epi32(offsets, base, scale) emulate::gather(offsets, base)
#define _mm512_reduce_add_epi32(v) emulate::reduced<std::int32_t>(v, [](auto a, auto b) { return a + b; })
#define _mm512_reduce_max_ps(v) emulate::reduced<float>(v, [](auto a, auto b) { return a > b ? a : b; })
