// Selects the instruction set, once, at first use.
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kernels/cpu.h"
#include "kernels/kernels.h"
#include "kernels/suited.h"

namespace fewbits::kernels {

#define FEWBITS_ISA(name, runs) extern const Kernels* const name##_kernels;
#include "kernels/isa_list.h"

namespace {

#define FEWBITS_ISA(name, runs) +1
constexpr std::size_t n_isas = 0
#include "kernels/isa_list.h"
    ;

struct Offer {
    Kernels tables[n_isas];
    const Kernels* items[n_isas];
    std::size_t count = 0;

    Offer() {
        [[maybe_unused]] const Cpu cpu = detect_cpu();
// isa.cmake defines which sets this build has.
#define FEWBITS_ISA(name, runs)                    \
    if constexpr (FEWBITS_BUILT_##name) {          \
        if (runs) items[count++] = name##_kernels; \
    }
#include "kernels/isa_list.h"
        for (std::size_t i = count - 1; i-- > 0;) {
            tables[i] = filled(suited(*items[i], cpu), *items[i + 1]);
            items[i] = &tables[i];
        }
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

Kernels suited(Kernels table, const Cpu& cpu) {
    if (cpu.halves_512 && std::string_view(table.isa).starts_with("avx512")) {
        table.dot_f16 = table.max_dot_f16 = nullptr;
    }
    return table;
}

Kernels filled(Kernels table, const Kernels& narrower) {
#define FEWBITS_KERNEL(name, ...) \
    if (table.name == nullptr) table.name = narrower.name;
#include "kernels/kernel_list.h"
    return table;
}

const Kernels& active() {
    static const Kernels& chosen = choose();
    return chosen;
}

Available available() {
    return {offer().items, offer().count};
}

}  // namespace fewbits::kernels
