// Which instruction set runs. A set is offered only if the CPU has every feature its file was compiled with (the flags
// of cpp/isa.cmake) *and* the operating system saves the registers those features use (XCR0). Decided once, at first
// use.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fewbits::kernels {

// Each is defined by its file; isa.cmake says which files this build has.
extern const Kernels* const avx2_kernels;
extern const Kernels* const avx512_kernels;
extern const Kernels* const avx512vnni_kernels;
extern const Kernels* const avx512vbmi_kernels;

namespace {

struct Cpu {
    bool avx2 = false;
    bool avx512 = false;
    bool vnni = false;
    bool vbmi = false;
};

#if defined(__x86_64__)

constexpr bool has(std::uint32_t word, std::uint32_t bits) {
    return (word & bits) == bits;
}
constexpr std::uint32_t bit(int i) {
    return std::uint32_t{1} << i;
}

// Extended control register 0: which register files the operating system saves. Needs OSXSAVE.
std::uint32_t saved_registers() {
    std::uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

Cpu detect() {
    std::uint32_t a, b, c1, d, b7, c7, c_extended;
    if (!__get_cpuid(1, &a, &b, &c1, &d)) return {};
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return {};
    if (!__get_cpuid(0x80000001, &a, &b, &c_extended, &d)) return {};
    constexpr std::uint32_t osxsave = bit(27), avx = bit(28), fma = bit(12), f16c = bit(29), popcnt = bit(23);
    constexpr std::uint32_t lzcnt = bit(5), bmi = bit(3), avx2 = bit(5), bmi2 = bit(8);
    constexpr std::uint32_t avx512f = bit(16), avx512dq = bit(17), avx512cd = bit(28), avx512bw = bit(30);
    constexpr std::uint32_t avx512vl = bit(31), avx512vbmi = bit(1), avx512vnni = bit(11);
    if (!has(c1, osxsave)) return {};
    const std::uint32_t saved = saved_registers();

    Cpu cpu;
    cpu.avx2 =
        has(saved, 0x6) && has(c1, avx | fma | f16c | popcnt) && has(b7, avx2 | bmi | bmi2) && has(c_extended, lzcnt);
    cpu.avx512 = cpu.avx2 && has(saved, 0xE6) && has(b7, avx512f | avx512dq | avx512cd | avx512bw | avx512vl);
    cpu.vnni = cpu.avx512 && has(c7, avx512vnni);
    cpu.vbmi = cpu.vnni && has(c7, avx512vbmi);
    return cpu;
}

#else

Cpu detect() {
    return {};
}

#endif

struct Offer {
    const Kernels* items[5];
    std::size_t count = 0;

    Offer() {
        [[maybe_unused]] const Cpu cpu = detect();
#if defined(FEWBITS_HAVE_AVX512VBMI)
        if (cpu.vbmi) items[count++] = avx512vbmi_kernels;
#endif
#if defined(FEWBITS_HAVE_AVX512VNNI)
        if (cpu.vnni) items[count++] = avx512vnni_kernels;
#endif
#if defined(FEWBITS_HAVE_AVX512)
        if (cpu.avx512) items[count++] = avx512_kernels;
#endif
#if defined(FEWBITS_HAVE_AVX2)
        if (cpu.avx2) items[count++] = avx2_kernels;
#endif
        items[count++] = scalar_kernels;
    }
};

const Offer& offer() {
    static const Offer all;
    return all;
}

const Kernels& choose() {
    const char* wanted = std::getenv("FEWBITS_ISA");
    const Offer& all = offer();
    if (!wanted || !*wanted) return *all.items[0];
    std::string names;
    for (std::size_t i = 0; i < all.count; ++i) {
        if (all.items[i]->isa == std::string_view(wanted)) return *all.items[i];
        names += (i ? ", " : "") + std::string(all.items[i]->isa);
    }
    fail("FEWBITS_ISA: got \"" + std::string(wanted) + "\", expected one that this build and CPU run: " + names);
}

}  // namespace

const Kernels& active() {
    static const Kernels& chosen = choose();
    return chosen;
}

Available available() {
    return {offer().items, offer().count};
}

}  // namespace fewbits::kernels
