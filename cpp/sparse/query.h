// A query as integers. Its weight for a term, times the term's scale, is a whole number of steps, at most 65,535, so
// that scores are exact sums of weight times code, below 2^32.
#pragma once

#include <cstdint>
#include <vector>

#include "sparse/csr.h"
#include "sparse/rows.h"

namespace fewbits::sparse {

struct Query {
    struct Term {
        std::uint32_t term;
        std::uint32_t weight;
    };
    std::vector<Term> terms;  // ascending, weights above 0
    double step = 0;
    TermWeights weights;  // of `terms`

    explicit Query(std::size_t most_terms) : weights(most_terms) {}
    Query(const Csr& queries, std::size_t row, const Scales& scales);

    // Of the terms with the largest weights, as many as have this share of all weights; the same step.
    Query leading(double mass) const;

    float score(std::uint32_t sum) const { return static_cast<float>(sum * step); }
    // The smallest sum whose score is at least min_score, or 2^32.
    std::uint64_t min_sum(float min_score) const;
};

}  // namespace fewbits::sparse
