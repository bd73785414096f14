// When the ranking of candidates can stop. Candidates are ranked by their tokens in the order of the estimates that
// found them, best first; with every score the error of an estimate becomes known. Once the next estimate, plus the
// mean error, plus `margin` standard deviations of the errors, is below the k-th best score, no later candidate is
// expected among the k best.
#pragma once

#include <cstddef>
#include <vector>

namespace fewbits {

class Stopping {
public:
    static constexpr std::size_t least_ranked = 16;  // for a mean and a deviation

    // min_score: lower scores do not count as results.
    Stopping(std::size_t k, float min_score, float margin);

    void ranked(float estimate, float score);

    // Whether candidates with this estimate, or with a lower one, can be left out.
    bool can_stop(float estimate) const;

private:
    std::size_t k_, n_ = 0;
    double margin_, mean_ = 0, squares_ = 0;  // of errors: their mean, and the sum of squared differences from it
    std::vector<float> best_;                 // the k best scores, or min_score; a heap, the lowest first
};

}  // namespace fewbits
