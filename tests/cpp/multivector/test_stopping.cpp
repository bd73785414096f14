// The rule by which the ranking of candidates stops, against the same rule written out.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "check.h"
#include "index/models.h"
#include "multivector/stopping.h"

namespace {

using namespace fewbits;

constexpr float inf = std::numeric_limits<float>::infinity();

// As stopping.h has it, from all scores so far.
bool expected(const std::vector<float>& estimates, std::vector<float> scores, std::size_t k, float min_score,
              float margin, float next) {
    if (scores.size() < std::max(k, Stopping::least_ranked)) return false;
    double mean = 0, squares = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) mean += double{scores[i]} - double{estimates[i]};
    mean /= static_cast<double>(scores.size());
    for (std::size_t i = 0; i < scores.size(); ++i)
        squares += std::pow(double{scores[i]} - double{estimates[i]} - mean, 2);
    std::sort(scores.begin(), scores.end(), std::greater<>());
    const double least = std::max(scores[k - 1], min_score);
    return double{next} + mean + double{margin} * std::sqrt(squares / static_cast<double>(scores.size())) < least;
}

TEST("stopping: as the rule has it, for any k, margin and least score") {
    for (const std::size_t k : {1u, 5u, 16u, 30u})
        for (const float margin : {0.0f, 0.7f, 2.0f})
            for (const float min_score : {-inf, 7.5f}) {
                const std::vector<float> noise = test::random_floats(60, 17 + k);
                Stopping stopping(k, min_score, margin);
                std::vector<float> estimates, scores;
                std::size_t stops = 0;
                for (std::size_t i = 0; i < 60; ++i) {
                    const float next = 5.0f - 0.1f * static_cast<float>(i);
                    CHECK_EQ(stopping.can_stop(next), expected(estimates, scores, k, min_score, margin, next));
                    stops += stopping.can_stop(next);
                    estimates.push_back(next);
                    scores.push_back(next + 2 + 0.5f * noise[i]);
                    stopping.ranked(estimates.back(), scores.back());
                }
                CHECK(stops > 0);
            }
}

TEST("stopping: never with an infinite margin, nor before there are k scores") {
    Stopping all(3, -inf, inf), few(20, -inf, 0);
    for (int i = 0; i < 19; ++i) {
        CHECK(!all.can_stop(-100));
        CHECK(!few.can_stop(-100));
        all.ranked(1, 2);  // all errors are equal
        few.ranked(1, 2);
    }
    few.ranked(1, 2);
    CHECK(few.can_stop(-100));
    CHECK(!all.can_stop(-100));
}

}  // namespace
