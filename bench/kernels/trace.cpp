// How often each instruction of this library runs in a case, by single-stepping: what bench/kernels/mca.py estimates
// from.
#include <cstddef>
#include <cstdint>

#include "cases.h"

#if defined(__x86_64__) && defined(__linux__)
#include <dlfcn.h>
#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>

namespace {

constexpr unsigned long long trap_flag = 0x100;
std::uintptr_t base;
std::uint32_t* counted;
std::size_t size;

void count(int, siginfo_t*, void* context) {
    const auto next = static_cast<std::uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
    if (next - base < size) ++counted[next - base];
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

// counts: by offset in the library's file. 0, or -1 if the process cannot be stepped.
int fewbits_trace(const fewbits::bench::Case* opened, std::uint32_t* counts, std::size_t length) {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&fewbits_trace), &info) == 0) return -1;
    base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    counted = counts;
    size = length;
    struct sigaction stepping = {}, before = {};
    stepping.sa_sigaction = count;
    stepping.sa_flags = SA_SIGINFO;
    if (sigaction(SIGTRAP, &stepping, &before) != 0) return -1;
    __writeeflags(__readeflags() | trap_flag);
    opened->run();
    __writeeflags(__readeflags() & ~trap_flag);
    return sigaction(SIGTRAP, &before, nullptr);
}

#pragma GCC visibility pop
}
#else
extern "C" [[gnu::visibility("default")]] int fewbits_trace(const fewbits::bench::Case*, std::uint32_t*, std::size_t) {
    return -1;
}
#endif
