// The active set: the best by default, the one that FEWBITS_ISA names if set, and an error that lists all otherwise.
// The choice is made once per process, so the forced cases run this program again.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "check.h"
#include "kernels/kernels.h"
#include "kernels/suited.h"

using namespace fewbits::kernels;

namespace {

struct Outcome {
    int status;
    std::string output;
};

// Runs the test "dispatch: active" in a process with FEWBITS_ISA = isa.
Outcome run_with(const std::string& isa) {
    const std::string command = "FEWBITS_ISA='" + isa + "' " + check::command() + " 'dispatch: active' 2>&1";
    std::FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    Outcome outcome{0, ""};
    for (std::array<char, 256> line{}; std::fgets(line.data(), static_cast<int>(line.size()), pipe);) {
        outcome.output += line.data();
    }
    outcome.status = pclose(pipe);
    return outcome;
}

TEST("dispatch: active is the best set, or the one FEWBITS_ISA names, in every thread") {
    const char* wanted = std::getenv("FEWBITS_ISA");
    std::vector<const Kernels*> seen(8);
    {
        std::vector<std::jthread> threads;
        for (auto& one : seen) {
            threads.emplace_back([&one] {
                try {
                    one = &active();
                } catch (const fewbits::Error&) {
                    one = nullptr;
                }
            });
        }
    }
    const Kernels* chosen = &active();
    for (const Kernels* one : seen) CHECK(one == chosen);
    if (wanted && *wanted) {
        CHECK_EQ(std::string(chosen->isa), std::string(wanted));
    } else {
        CHECK(chosen == available().items[0]);
    }
}

TEST("dispatch: the sets have distinct names and end with the specification") {
    const Available all = available();
    REQUIRE(all.count >= 1);
    CHECK(all.items[all.count - 1] == scalar_kernels);
    const std::set<std::string> known = {
#define FEWBITS_ISA(name, runs) #name,
#include "kernels/isa_list.h"
    };
    std::set<std::string> names;
    for (std::size_t i = 0; i < all.count; ++i) {
        CHECK(known.count(all.items[i]->isa) == 1);
        names.insert(all.items[i]->isa);
    }
    CHECK_EQ(names.size(), all.count);
#if defined(__x86_64__)
    CHECK_EQ(names.count("avx2") == 1, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#endif
}

TEST("dispatch: every set has every kernel; those without their own have the next narrower set's") {
    const Available all = available();
    for (std::size_t i = 0; i < all.count; ++i) {
#define FEWBITS_KERNEL(name, ...) CHECK(all.items[i]->name != nullptr);
#include "kernels/kernel_list.h"
    }
    Kernels lacking = *all.items[0];
    const Kernels other = *scalar_kernels;
    lacking.extract4 = nullptr;
    const Kernels filled_up = filled(lacking, other);
    CHECK(filled_up.extract4 == other.extract4);
    CHECK(filled_up.scan4 == all.items[0]->scan4);
    CHECK(filled_up.isa == all.items[0]->isa);
}

TEST("dispatch: a CPU that halves 512-bit instructions scans float16 rows with 256 bits") {
    for (const char* isa : {"avx512", "avx512vbmi"}) {
        Kernels table = *scalar_kernels;
        table.isa = isa;
        CHECK(suited(table, Cpu{}).dot_f16 == table.dot_f16);
        const Kernels halved = suited(table, Cpu{.halves_512 = true});
        CHECK(halved.dot_f16 == nullptr && halved.max_dot_f16 == nullptr);
        CHECK(halved.l2_f16 == table.l2_f16);
    }
    CHECK(suited(*scalar_kernels, Cpu{.halves_512 = true}).dot_f16 == scalar_kernels->dot_f16);
}

TEST("dispatch: FEWBITS_ISA forces each available set") {
    const Available all = available();
    for (std::size_t i = 0; i < all.count; ++i) CHECK_EQ(run_with(all.items[i]->isa).status, 0);
}

TEST("dispatch: an unknown set is an error that lists the available ones") {
    const Outcome outcome = run_with("sse9");
    CHECK(outcome.status != 0);
    CHECK(outcome.output.find("FEWBITS_ISA: got \"sse9\"") != std::string::npos);
    const Available all = available();
    for (std::size_t i = 0; i < all.count; ++i) CHECK(outcome.output.find(all.items[i]->isa) != std::string::npos);
}

}  // namespace
