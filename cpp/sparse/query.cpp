#include "sparse/query.h"

#include <algorithm>
#include <cmath>

namespace fewbits::sparse {
namespace {

constexpr double max_weight = 65535;
constexpr double max_total = 16.8e6;  // of all weights: 255 times their sum fits u32, as do 2^24 weights of 1

}  // namespace

Query::Query(const Csr& queries, std::size_t row, const Scales& scales)
    : weights(queries.end(row) - queries.begin(row)) {
    double largest = 0, total = 0, positive = 0;
    const auto weight = [&](std::size_t i) {
        const std::uint32_t term = queries.term(i);
        return term < scales.size() ? double{queries.value(i)} * scales[term] : 0.0;
    };
    for (std::size_t i = queries.begin(row); i < queries.end(row); ++i) {
        largest = std::max(largest, weight(i));
        total += weight(i);
        positive += weight(i) > 0;
    }
    if (largest == 0) return;
    step = std::max(largest / max_weight, total / (max_total - positive));
    for (std::size_t i = queries.begin(row); i < queries.end(row); ++i)  // at least 1: a common term is never lost
        if (const double exact = weight(i) / step; exact > 0)
            terms.push_back({queries.term(i), static_cast<std::uint32_t>(std::max(1.0, std::nearbyint(exact)))});
    for (const Term& term : terms) weights.put(term.term, term.weight);
}

Query Query::leading(double mass) const {
    std::vector<Term> order = terms;
    std::stable_sort(order.begin(), order.end(), [](const Term& x, const Term& y) { return x.weight > y.weight; });
    double total = 0, kept = 0;
    for (const Term& term : order) total += term.weight;
    std::size_t n = 0;
    while (n < order.size() && kept < mass * total) kept += order[n++].weight;
    order.resize(n);
    std::sort(order.begin(), order.end(), [](const Term& x, const Term& y) { return x.term < y.term; });
    Query part(n);
    part.step = step;
    part.terms = std::move(order);
    for (const Term& term : part.terms) part.weights.put(term.term, term.weight);
    return part;
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
