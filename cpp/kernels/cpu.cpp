#include "kernels/cpu.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <cstddef>
#include <sys/sysctl.h>
#elif defined(__aarch64__) && defined(_WIN32)
#include <windows.h>
#endif

namespace fewbits::kernels {

#if defined(__x86_64__)

namespace {

constexpr bool has(std::uint32_t word, std::uint32_t bits) {
    return (word & bits) == bits;
}
constexpr std::uint32_t bit(int i) {
    return std::uint32_t{1} << i;
}

// Extended control register 0: the register files that the operating system saves. Needs OSXSAVE.
std::uint32_t saved_registers() {
    std::uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

// AMD's family 25 (Zen 3 and 4), by the bits of function 1.
bool is_amd_family_25(std::uint32_t signature) {
    std::uint32_t a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d)) return false;
    constexpr std::uint32_t authentic = 0x68747541, enti = 0x69746E65, camd = 0x444D4163;  // AuthenticAMD, in b, d, c
    const std::uint32_t family = (signature >> 8 & 0xF) + (signature >> 20 & 0xFF);
    return b == authentic && d == enti && c == camd && family == 25;
}

}  // namespace

Cpu detect_cpu() {
    std::uint32_t a, b, c1, d, b7, c7, c_extended, signature;
    if (!__get_cpuid(1, &signature, &b, &c1, &d)) return {};
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
    cpu.halves_512 = cpu.avx512 && is_amd_family_25(signature);
    return cpu;
}

#elif defined(__aarch64__)

namespace {

#if defined(__linux__)
bool has_dotprod() {
    constexpr unsigned long asimddp = 1UL << 20;  // HWCAP_ASIMDDP, which older headers lack
    return (getauxval(AT_HWCAP) & asimddp) != 0;
}
#elif defined(__APPLE__)
bool has_dotprod() {
    int present = 0;
    std::size_t bytes = sizeof present;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &present, &bytes, nullptr, 0) == 0 && present != 0;
}
#elif defined(_WIN32)
bool has_dotprod() {
    constexpr DWORD arm_v82_dp_instructions_available = 43;  // PF_..., which older headers lack
    return IsProcessorFeaturePresent(arm_v82_dp_instructions_available) != 0;
}
#else
bool has_dotprod() {
    return false;
}
#endif

}  // namespace

Cpu detect_cpu() {
    Cpu cpu;
    cpu.neon = true;  // part of every 64-bit ARM processor
    cpu.dotprod = has_dotprod();
    return cpu;
}

#else

Cpu detect_cpu() {
    return {};
}

#endif

}  // namespace fewbits::kernels
