// The cases as plain C functions, which bench/test_kernels.py loads with ctypes.
#include <cstring>
#include <exception>
#include <memory>
#include <string>

#include "cases.h"
#include "roofs.h"

using namespace fewbits;

namespace {

std::string text;  // the string returned by the last call

const kernels::Kernels* set_named(const char* isa) {
    const auto all = kernels::available();
    for (std::size_t i = 0; i < all.count; ++i)
        if (std::strcmp(all.items[i]->isa, isa) == 0) return all.items[i];
    return nullptr;
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

// Instruction sets, best first, and cases: comma-separated names.
const char* fewbits_isas() {
    text.clear();
    const auto all = kernels::available();
    for (std::size_t i = 0; i < all.count; ++i) text += std::string(i ? "," : "") + all.items[i]->isa;
    return text.c_str();
}
const char* fewbits_cases() {
    text.clear();
    for (const auto& name : bench::case_names()) text += (text.empty() ? "" : ",") + name;
    return text.c_str();
}

// Null for an unknown instruction set or case, or if memory is short.
bench::Case* fewbits_open(const char* isa, const char* name) {
    const auto* set = set_named(isa);
    if (set == nullptr) return nullptr;
    try {
        return std::make_unique<bench::Case>(bench::make_case(*set, name)).release();
    } catch (const std::exception&) {
        return nullptr;
    }
}
void fewbits_run(const bench::Case* opened) {
    opened->run();
}
void fewbits_close(bench::Case* opened) {
    delete opened;
}

double fewbits_items(const bench::Case* opened) {
    return opened->items;
}
double fewbits_bytes(const bench::Case* opened) {
    return opened->bytes;
}
// The time of one run, in seconds, at the roof that applies; 0 if none is known.
double fewbits_least_seconds(const bench::Case* opened, const char* isa) {
    if (opened->from_memory) return opened->bytes / bench::memory_bandwidth();
    const double rate = bench::peak_rate(isa, opened->operation);
    return rate > 0 ? opened->operations / rate : 0;
}

#pragma GCC visibility pop
}
