#include "multivector/sets.h"

#include <string>

namespace fewbits {

void check_sets(const SetsView& sets, const char* name) {
    const std::string what = std::string(name) + ": ";
    if (sets.offsets.empty() || sets.offsets.front() != 0) fail(what + "expected offsets that start with 0");
    for (std::size_t i = 0; i < sets.size(); ++i) {
        if (sets.offsets[i + 1] <= sets.offsets[i])
            fail(what + "expected at least 1 token per set, got "
                 + std::to_string(sets.offsets[i + 1] - sets.offsets[i]) + " in set " + std::to_string(i));
    }
    if (static_cast<std::size_t>(sets.offsets.back()) != sets.tokens.rows)
        fail(what + "expected offsets that end with the number of tokens, " + std::to_string(sets.tokens.rows)
             + ", got " + std::to_string(sets.offsets.back()));
}

}  // namespace fewbits
