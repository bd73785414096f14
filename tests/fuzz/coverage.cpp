#include "coverage.h"

std::array<std::uint8_t, coverage::places> coverage::runs;

// The compiler inserts a call of this function into every basic block. Addresses are relative to one in the program,
// which may be loaded anywhere.
extern "C" void __sanitizer_cov_trace_pc() {
    const auto address = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0))
                         - reinterpret_cast<std::uintptr_t>(coverage::runs.data());
    std::uint8_t& count = coverage::runs[(address * 0x9e3779b97f4a7c15ULL) >> 48];
    if (count < 255) ++count;
}
