#include "sparse/query.h"

#include <algorithm>
#include <cmath>

namespace fewbits::sparse {
namespace {

constexpr double max_weight = 65535;
constexpr double max_total = 12e6;  // of all weights before rounding: whatever it adds, 255 times their sum fits u32

}  // namespace

Query::Query(const Csr& queries, std::size_t row, const Scales& scales) {
    double largest = 0, total = 0;
    const auto weight = [&](std::size_t i) {
        const std::uint32_t term = queries.term(i);
        return term < scales.size() ? double{queries.value(i)} * scales[term] : 0.0;
    };
    for (std::size_t i = queries.begin(row); i < queries.end(row); ++i) {
        largest = std::max(largest, weight(i));
        total += weight(i);
    }
    if (largest == 0) return;
    step = std::max(largest / max_weight, total / max_total);
    for (std::size_t i = queries.begin(row); i < queries.end(row); ++i)
        if (const auto steps = static_cast<std::uint32_t>(std::nearbyint(weight(i) / step)); steps > 0)
            terms.push_back({queries.term(i), steps});
}

std::uint64_t Query::min_sum(float min_score) const {
    if (!(min_score > 0)) return 0;
    std::uint64_t low = 0, high = std::uint64_t{1} << 32;
    while (low < high) {
        const std::uint64_t middle = (low + high) / 2;
        if (score(static_cast<std::uint32_t>(middle)) >= min_score)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

}  // namespace fewbits::sparse
