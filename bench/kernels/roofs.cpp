#include "roofs.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fewbits::bench {
namespace {

constexpr int tries = 20;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The best of several runs: a roof is the maximum, not the typical rate.
template <class Run>
double least_seconds(Run&& run) {
    double least = 1e9;
    for (int i = 0; i < tries; ++i) {
        const double start = cpu_seconds();
        run();
        least = std::min(least, cpu_seconds() - start);
    }
    return least;
}

#if defined(__x86_64__)

constexpr std::size_t rounds = 200'000;
constexpr int chains = 12;  // hide four cycles of latency at three instructions per cycle

// One instruction in independent chains: %0 is the register of a chain, %1 a constant one.
#define FEWBITS_PEAK(function, features, Register, instruction)                                                       \
    __attribute__((target(features))) void function() {                                                               \
        Register chain[chains] = {}, constant = {};                                                                   \
        for (std::size_t r = 0; r < rounds; ++r)                                                                      \
            _Pragma("GCC unroll 12") for (auto& link : chain) asm volatile(instruction : "+v"(link) : "v"(constant)); \
    }

FEWBITS_PEAK(fma_256, "avx2,fma", __m256i, "vfmadd231ps %1, %1, %0")
FEWBITS_PEAK(shuffle_256, "avx2", __m256i, "vpshufb %1, %0, %0")
FEWBITS_PEAK(mac8_256, "avx2", __m256i, "vpmaddubsw %1, %0, %0")
FEWBITS_PEAK(mac16_256, "avx2", __m256i, "vpmaddwd %1, %0, %0")
FEWBITS_PEAK(fma_512, "avx512f", __m512i, "vfmadd231ps %1, %1, %0")
FEWBITS_PEAK(shuffle_512, "avx512f,avx512bw", __m512i, "vpshufb %1, %0, %0")
FEWBITS_PEAK(dwords_512, "avx512f", __m512i, "vpermi2d %1, %1, %0")
FEWBITS_PEAK(mac8_512, "avx512f,avx512bw", __m512i, "vpmaddubsw %1, %0, %0")
FEWBITS_PEAK(mac16_512, "avx512f,avx512bw", __m512i, "vpmaddwd %1, %0, %0")
FEWBITS_PEAK(mac8_vnni, "avx512f,avx512vnni", __m512i, "vpdpbusd %1, %1, %0")
FEWBITS_PEAK(bytes_vbmi, "avx512f,avx512vbmi", __m512i, "vpermb %1, %0, %0")
FEWBITS_PEAK(bytes2_vbmi, "avx512f,avx512vbmi", __m512i, "vpermi2b %1, %1, %0")

// Best first: each set includes the following ones.
constexpr std::string_view isas[] = {
#define FEWBITS_ISA(name, runs) #name,
#include "kernels/isa_list.h"
};

struct Peak {
    std::string_view isa;  // and better sets, up to the next one with a better instruction
    Operation operation;
    void (*run)();
    // Operations per instruction; a lookup in 256 entries takes 16 shuffles, or two double permutations.
    double each;
};
constexpr Peak peaks[] = {
    {"avx2", Operation::fma, fma_256, 8},
    {"avx2", Operation::lookup16, shuffle_256, 32},
    {"avx2", Operation::lookup256, shuffle_256, 2},
    {"avx2", Operation::mac8, mac8_256, 32},
    {"avx2", Operation::mac16, mac16_256, 16},
    {"avx512", Operation::fma, fma_512, 16},
    {"avx512", Operation::lookup16, shuffle_512, 64},
    {"avx512", Operation::lookup256, dwords_512, 8},
    {"avx512", Operation::mac8, mac8_512, 64},
    {"avx512", Operation::mac16, mac16_512, 32},
    {"avx512vnni", Operation::mac8, mac8_vnni, 64},
    {"avx512vbmi", Operation::lookup16, bytes_vbmi, 64},
    {"avx512vbmi", Operation::lookup256, bytes2_vbmi, 32},
};

std::ptrdiff_t level(std::string_view isa) {
    return std::end(isas) - std::find(std::begin(isas), std::end(isas), isa);
}

double measured_rate(std::string_view isa, Operation operation) {
    const Peak* found = nullptr;
    for (const auto& peak : peaks)
        if (peak.operation == operation && level(peak.isa) <= level(isa)) found = &peak;
    if (found == nullptr) return 0;
    return static_cast<double>(rounds * chains) * found->each / least_seconds(found->run);
}

#endif

}  // namespace

double memory_bandwidth() {
    static const double measured = [] {
        std::vector<std::uint64_t> words(std::size_t{32} << 20, 1);  // 256 MiB
        std::uint64_t sum = 0;
        const double seconds = least_seconds([&] {
            for (const auto word : words) sum += word;
            asm volatile("" : "+r"(sum));
        });
        return static_cast<double>(words.size() * sizeof(words[0])) / seconds;
    }();
    return measured;
}

double peak_rate(const std::string& isa, Operation operation) {
#if defined(__x86_64__)
    static std::map<std::pair<std::string, Operation>, double> measured;
    const auto [known, added] = measured.try_emplace({isa, operation}, 0);
    if (added) known->second = measured_rate(isa, operation);
    return known->second;
#else
    static_cast<void>(isa), static_cast<void>(operation);
    return 0;
#endif
}

}  // namespace fewbits::bench
