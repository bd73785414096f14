#include "index/results.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fewbits {

float cosine_rounding(std::size_t dim) {
    return std::ldexp(1 + std::sqrt(static_cast<float>(dim)), -23);
}

void write_results(std::span<const Hit> hits, std::size_t k, Metric metric, std::size_t dim, std::int64_t* ids,
                   float* scores, const std::function<std::int64_t(std::uint32_t)>& id) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float unit = 1 - cosine_rounding(dim);
    const auto score_of = [&](float score) {
        if (metric == Metric::l2) return std::max(0.0f, -score);
        if (metric == Metric::ip) return score;
        return score >= unit ? 1.0f : std::max(-1.0f, score);
    };
    for (std::size_t j = 0; j < k; ++j) {
        ids[j] = j < hits.size() ? id(hits[j].row) : -1;
        scores[j] = j < hits.size() ? score_of(hits[j].score) : metric == Metric::l2 ? infinity : -infinity;
    }
}

}  // namespace fewbits
