// What this CPU and operating system support: a feature counts only if the operating system saves the registers that it
// uses (XCR0).
#pragma once

namespace fewbits::kernels {

struct Cpu {
    bool avx2 = false;  // with FMA, F16C, POPCNT, LZCNT, BMI1 and BMI2: the flags in cpp/isa.cmake
    bool avx512 = false;
    bool vnni = false;
    bool vbmi = false;
    bool halves_512 = false;  // executes 512-bit instructions in two halves: Zen 4
    bool neon = false;
    bool dotprod = false;
};

Cpu detect_cpu();

}  // namespace fewbits::kernels
